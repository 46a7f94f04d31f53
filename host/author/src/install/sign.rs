//! How plugins are signed. What a signature is, and whether it counts, is known to `saker-plugins`, which asks that of
//! every file that it is about to compile.

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;

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

    use saker_plugins::{Signature, SignatureError, TrustedKeys, sha256};
    use serde_json::Value;

    use super::*;

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
        let keys = TrustedKeys::read(&[pairs[0].public.clone(), pairs[1].public.clone()]).unwrap();
        for (place, Pair { private, public }) in pairs.iter().enumerate() {
            let signature = Signature::parse(&Signature::Plain(sign(private, b"plugin").unwrap()).to_text()).unwrap();
            let by = keys.check(b"plugin", Some(&signature), true, "p.wasm.sig").unwrap();
            assert_eq!(by, Some(public.as_path()));
            assert_eq!(keys.check(b"plugim", Some(&signature), true, ""), Err(SignatureError::Wrong));
            let others = TrustedKeys::read(&[pairs[1 - place].public.clone()]).unwrap();
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
        let keys = TrustedKeys::read(&[trusted.public]).unwrap();
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
        assert!(TrustedKeys::read(&["Cargo.toml".into()]).unwrap_err().to_string().contains("is no public key"));
        assert!(sign("none", b"").unwrap_err().contains("PKCS#8"));
    }
}
