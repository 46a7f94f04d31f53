//! Public keys, and whether they have signed a plugin.
//!
//! A key is a PEM file of a `SubjectPublicKeyInfo`, as `cosign generate-key-pair` and `openssl pkey -pubout` write it:
//! ECDSA over P-256 (signatures in ASN.1 over SHA-256) or Ed25519.

use std::path::{Path, PathBuf};

use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;

use crate::signature::Signature;

/// What a P-256 key's `SubjectPublicKeyInfo` begins with; 65 bytes of the point follow (RFC 5480).
const P256_HEAD: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// Bytes of an uncompressed point.
const P256_BYTES: usize = 65;
/// What an Ed25519 key's `SubjectPublicKeyInfo` begins with; 32 bytes follow (RFC 8410).
const ED25519_HEAD: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// Bytes of an Ed25519 key.
const ED25519_BYTES: usize = 32;

/// The keys whose signatures count.
#[derive(Clone, Debug, Default)]
pub struct TrustedKeys(Vec<TrustedKey>);

#[derive(Clone, Debug)]
struct TrustedKey {
    file: PathBuf,
    kind: KeyKind,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyKind {
    P256,
    Ed25519,
}

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// It cannot be read.
    #[error("cannot read the key {0}")]
    Read(PathBuf, #[source] std::io::Error),
    /// It is no key that is known here.
    #[error("{0} is no public key: expected PEM with BEGIN PUBLIC KEY, of ECDSA P-256 or Ed25519")]
    Unusable(PathBuf),
}

/// Why a plugin does not count as signed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is none.
    #[error("it is not signed: there is no {0} beside it")]
    Missing(String),
    /// None of the keys has made it.
    #[error("its signature is by none of the keys in plugins.signature_keys, or of another file")]
    Wrong,
    /// It cannot be understood.
    #[error("its signature makes no sense: {0}")]
    Malformed(String),
}

impl TrustedKeys {
    /// Reads keys from PEM files.
    ///
    /// # Errors
    /// [`KeysError`]
    pub fn read(files: &[PathBuf]) -> Result<Self, KeysError> {
        let read = |file: &PathBuf| {
            let text = std::fs::read_to_string(file).map_err(|error| KeysError::Read(file.clone(), error))?;
            let (kind, bytes) = parse(&text).ok_or_else(|| KeysError::Unusable(file.clone()))?;
            Ok(TrustedKey { file: file.clone(), kind, bytes })
        };
        files.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks a plugin's bytes against its signature, and answers which key has made it. Without a signature it is an
    /// error only if one is required. `name` is the file that would hold the signature, for the message.
    ///
    /// # Errors
    /// [`SignatureError`]
    pub fn check(
        &self,
        bytes: &[u8],
        signature: Option<&Signature>,
        required: bool,
        name: &str,
    ) -> Result<Option<&Path>, SignatureError> {
        match signature {
            Some(signature) if !self.is_empty() => {
                let (message, signature) = signature.message_for(bytes)?;
                let by = self.0.iter().find(|key| key.has_signed(&message, &signature));
                by.map(|key| Some(key.file.as_path())).ok_or(SignatureError::Wrong)
            }
            None if required => Err(SignatureError::Missing(name.to_owned())),
            _ => Ok(None),
        }
    }
}

impl TrustedKey {
    fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match self.kind {
            KeyKind::P256 => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.bytes).verify(message, signature),
            KeyKind::Ed25519 => UnparsedPublicKey::new(&ED25519, &self.bytes).verify(message, signature),
        };
        verified.is_ok()
    }
}

fn parse(pem: &str) -> Option<(KeyKind, Vec<u8>)> {
    let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).ok()?;
    let bare = |head: &[u8], length: usize| {
        let key = der.strip_prefix(head)?;
        (key.len() == length).then(|| key.to_vec())
    };
    let p256 = bare(P256_HEAD, P256_BYTES).map(|key| (KeyKind::P256, key));
    p256.or_else(|| bare(ED25519_HEAD, ED25519_BYTES).map(|key| (KeyKind::Ed25519, key)))
}
