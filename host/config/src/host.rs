//! What the machine says of itself.

use saker_model::LIMITS;
use saker_model::text::clean;

/// The host's name, as the endpoint of what is measured on it; `localhost` where it has none.
#[must_use]
pub fn host_name() -> String {
    let name = clean(&rustix::system::uname().nodename().to_string_lossy(), LIMITS.text_bytes);
    if name.is_empty() { "localhost".into() } else { name }
}
