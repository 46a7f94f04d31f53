//! Signatures as they lie beside a plugin, in `NAME.wasm.sig`, and how they are made.
//!
//! Two forms. A plain one is what `cosign sign-blob` writes: base64 of a signature over the file's bytes. One of an
//! image is a JSON object that a registry's answers are kept in: cosign's signature covers a payload, the payload names
//! a manifest by its digest, and the manifest names the file by its own. So it can be checked offline, each time that
//! the file is about to be compiled.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
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

/// A digest as registries write it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let hex: String = digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// cosign's payload for an image.
pub(crate) fn payload(reference: &str, manifest_digest: &str) -> Vec<u8> {
    let payload = json!({
        "critical": {
            "identity": {"docker-reference": reference},
            "image": {"docker-manifest-digest": manifest_digest},
            "type": "cosign container image signature",
        },
        "optional": null,
    });
    payload.to_string().into_bytes()
}

/// Signs a message with a private key: PEM of PKCS#8, not encrypted, of ECDSA P-256 or Ed25519.
///
/// # Errors
/// What is wrong with the key.
pub fn sign(pem: &str, message: &[u8]) -> Result<Vec<u8>, String> {
    let unusable = "the key is no unencrypted PKCS#8 of ECDSA P-256 or Ed25519; \
                    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 makes one";
    let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| unusable)?;
    let der = key.secret_pkcs8_der();
    let random = SystemRandom::new();
    if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der, &random) {
        let signature = pair.sign(&random, message).map_err(|_| "the system has no random numbers".to_owned())?;
        return Ok(signature.as_ref().to_vec());
    }
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| unusable)?;
    Ok(pair.sign(message).as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
    use tempfile::TempDir;

    use super::*;
    use crate::Keys;

    /// A private key in PEM, and a file with its public key.
    struct Pair {
        private: String,
        public: PathBuf,
    }

    fn pair(dir: &TempDir, algorithm: &'static rcgen::SignatureAlgorithm) -> Pair {
        let pair = KeyPair::generate_for(algorithm).unwrap();
        let public = dir.path().join(format!("{:?}.pub", pair.algorithm()));
        std::fs::write(&public, pair.public_key_pem()).unwrap();
        Pair { private: pair.serialize_pem(), public }
    }

    fn pairs(dir: &TempDir) -> [Pair; 2] {
        [pair(dir, &PKCS_ECDSA_P256_SHA256), pair(dir, &PKCS_ED25519)]
    }

    fn image(key: &str, manifest: &Value) -> Signature {
        let manifest = manifest.to_string().into_bytes();
        let payload = payload("registry/plugin", &sha256(&manifest));
        let signature = sign(key, &payload).unwrap();
        Signature::Image { payload, signature, manifest }
    }

    #[test]
    fn what_a_key_has_signed_counts_and_nothing_else() {
        let dir = TempDir::new().unwrap();
        let pairs = pairs(&dir);
        let keys = Keys::read(&[pairs[0].public.clone(), pairs[1].public.clone()]).unwrap();
        for (place, Pair { private, public }) in pairs.iter().enumerate() {
            let signature = Signature::parse(&Signature::Plain(sign(private, b"plugin").unwrap()).to_text()).unwrap();
            let by = keys.check(b"plugin", Some(&signature), true, "p.wasm.sig").unwrap();
            assert_eq!(by, Some(public.as_path()));
            assert_eq!(keys.check(b"plugim", Some(&signature), true, ""), Err(SignatureError::Wrong));
            let others = Keys::read(&[pairs[1 - place].public.clone()]).unwrap();
            assert_eq!(others.check(b"plugin", Some(&signature), false, ""), Err(SignatureError::Wrong));
        }
        let missing = keys.check(b"plugin", None, true, "p.wasm.sig").unwrap_err();
        assert_eq!(missing.to_string(), "it is not signed: there is no p.wasm.sig beside it");
        assert_eq!(keys.check(b"plugin", None, false, ""), Ok(None));
    }

    #[test]
    fn a_signature_of_an_image_holds_every_link_to_the_file() {
        let dir = TempDir::new().unwrap();
        let [trusted, other] = pairs(&dir);
        let keys = Keys::read(&[trusted.public]).unwrap();
        let manifest = json!({"layers": [{"digest": sha256(b"plugin")}]});
        let signature = Signature::parse(&image(&trusted.private, &manifest).to_text()).unwrap();
        assert!(keys.check(b"plugin", Some(&signature), true, "").is_ok());
        assert_eq!(keys.check(b"other", Some(&signature), true, ""), Err(SignatureError::Wrong));
        // Another manifest under the same payload, which holds the other file.
        let Signature::Image { payload, signature, .. } = signature else { panic!("no image") };
        let manifest = json!({"layers": [{"digest": sha256(b"other")}]}).to_string().into_bytes();
        let swapped = Signature::Image { payload, signature, manifest };
        assert_eq!(keys.check(b"other", Some(&swapped), true, ""), Err(SignatureError::Wrong));
        // A payload that nobody has signed.
        let unsigned = image(&other.private, &json!({"layers": [{"digest": sha256(b"plugin")}]}));
        assert_eq!(keys.check(b"plugin", Some(&unsigned), true, ""), Err(SignatureError::Wrong));
    }

    #[test]
    fn nonsense_is_called_so() {
        for text in ["%%%", "{\"payload\": 1}", "{"] {
            assert!(matches!(Signature::parse(text), Err(SignatureError::Malformed(_))), "{text}");
        }
        assert!(Keys::read(&["Cargo.toml".into()]).unwrap_err().to_string().contains("is no public key"));
        assert!(sign("none", b"").unwrap_err().contains("PKCS#8"));
    }
}
