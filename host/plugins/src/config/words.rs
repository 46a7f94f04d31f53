//! Values of the sandbox, as they are written in a configuration.

use saker_config::{FromConfig, RawValue};
use saker_sandbox::{ConnectAddress, GrantError, HttpOrigin, HttpOriginError};

/// Where a plugin may connect to.
pub(super) struct ConnectTo(pub(super) ConnectAddress);

impl FromConfig for ConnectTo {
    fn read(given: &RawValue<'_>) -> Result<Self, String> {
        let text = given.text().ok_or_else(|| given.expected("an address in quotes"))?;
        text.parse().map(Self).map_err(|error: GrantError| error.to_string())
    }
}

/// Where a secret may be sent to.
pub(super) struct SecretTarget(pub(super) HttpOrigin);

impl FromConfig for SecretTarget {
    fn read(given: &RawValue<'_>) -> Result<Self, String> {
        let text = given.text().ok_or_else(|| given.expected("a destination in quotes"))?;
        text.parse().map(Self).map_err(|error: HttpOriginError| error.to_string())
    }
}
