//! Values of the sandbox, as they are written in a configuration.

use saker_config::{Given, Read};
use saker_sandbox::{Address, Destination, DestinationError, GrantError};

/// Where a plugin may connect to.
pub(super) struct Connect(pub(super) Address);

impl Read for Connect {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        let text = given.text().ok_or_else(|| given.expected("an address in quotes"))?;
        text.parse().map(Self).map_err(|error: GrantError| error.to_string())
    }
}

/// Where a secret may be sent to.
pub(super) struct SentTo(pub(super) Destination);

impl Read for SentTo {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        let text = given.text().ok_or_else(|| given.expected("a destination in quotes"))?;
        text.parse().map(Self).map_err(|error: DestinationError| error.to_string())
    }
}
