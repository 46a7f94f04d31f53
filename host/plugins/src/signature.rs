//! Signatures as they lie beside a plugin, in `NAME.wasm.sig`.
//!
//! Two forms. A plain one is what `cosign sign-blob` writes: base64 of a signature over the file's bytes. One of an
//! image is a JSON object that a registry's answers are kept in: cosign's signature covers a payload, the payload names
//! a manifest by its digest, and the manifest names the file by its own. So it can be checked offline, each time that
//! the file is about to be compiled.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::keys::SignatureError;

/// A signature that came with a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    /// Over the file's bytes.
    Plain(Vec<u8>),
    /// Over a payload that names the manifest of an image that holds the file.
    Image {
        /// What was signed: cosign's "simple signing" JSON.
        payload: Vec<u8>,
        /// The signature over it.
        signature: Vec<u8>,
        /// The image's manifest, byte for byte.
        manifest: Vec<u8>,
    },
}

/// The form of an image's signature on disk; all parts in base64.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct OnDisk {
    payload: String,
    signature: String,
    manifest: String,
}

impl Signature {
    /// Reads what a `.sig` file holds.
    ///
    /// # Errors
    /// [`SignatureError::Malformed`]
    pub fn parse(text: &str) -> Result<Self, SignatureError> {
        let malformed = |error: String| SignatureError::Malformed(error);
        let decode = |text: &str| STANDARD.decode(text.trim()).map_err(|error| malformed(error.to_string()));
        if !text.trim_start().starts_with('{') {
            return Ok(Self::Plain(decode(text)?));
        }
        let parts: OnDisk = serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
        Ok(Self::Image {
            payload: decode(&parts.payload)?,
            signature: decode(&parts.signature)?,
            manifest: decode(&parts.manifest)?,
        })
    }

    /// What a `.sig` file has to hold.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Plain(signature) => STANDARD.encode(signature) + "\n",
            Self::Image { payload, signature, manifest } => {
                let encode = |bytes: &[u8]| STANDARD.encode(bytes);
                let parts =
                    json!({"payload": encode(payload), "signature": encode(signature), "manifest": encode(manifest)});
                format!("{parts:#}\n")
            }
        }
    }

    /// The message that must have been signed if these are the bytes, and the signature over it.
    pub(crate) fn message_for(&self, bytes: &[u8]) -> Result<(Vec<u8>, Vec<u8>), SignatureError> {
        match self {
            Self::Plain(signature) => Ok((bytes.to_vec(), signature.clone())),
            Self::Image { payload, signature, manifest } => {
                let read = |what: &str, json: &[u8]| {
                    serde_json::from_slice::<Value>(json)
                        .map_err(|error| SignatureError::Malformed(format!("its {what}: {error}")))
                };
                let named = &read("payload", payload)?["critical"]["image"]["docker-manifest-digest"];
                let layers = &read("manifest", manifest)?["layers"];
                let holds = layers
                    .as_array()
                    .is_some_and(|layers| layers.len() == 1 && layers[0]["digest"] == sha256(bytes).as_str());
                if *named != sha256(manifest).as_str() || !holds {
                    return Err(SignatureError::Wrong);
                }
                Ok((payload.clone(), signature.clone()))
            }
        }
    }
}

/// A digest as registries write it: `sha256:` and 64 digits.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    let hex: String = digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
