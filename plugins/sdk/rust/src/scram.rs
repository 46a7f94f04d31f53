//! Proving a password without sending it: SCRAM, RFC 5802 and RFC 7677, the client's side without channel binding.
//!
//! For backends whose server wants it. Passwords are taken as they are: SASLprep, which changes some characters beyond
//! ASCII, is left out, as most servers do without it too.

use hmac_sha256 as sha256;
use hmac_sha512 as sha512;

use crate::encode::base64;
use crate::host;

/// Random bytes in a nonce; 18 are the usual number.
const NONCE_BYTES: usize = 18;
/// How often a server may have the password hashed: a third of a second. PostgreSQL and Kafka ask for 4096.
const ITERATIONS_MAX: u32 = 200_000;

/// The hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScramHash {
    /// `SCRAM-SHA-256`.
    Sha256,
    /// `SCRAM-SHA-512`.
    Sha512,
}

/// One login: three messages there, two back.
pub struct Exchange {
    hash: ScramHash,
    password: String,
    /// The first message, without its head.
    first: String,
    nonce: String,
    /// What proves that the server knows the password as well.
    server_signature: Vec<u8>,
}

impl Exchange {
    /// Begins a login.
    #[must_use]
    pub fn new(hash: ScramHash, username: &str, password: &str) -> Self {
        Self::with_nonce(hash, username, password, base64::encode(&host::random(NONCE_BYTES)))
    }

    fn with_nonce(hash: ScramHash, username: &str, password: &str, nonce: String) -> Self {
        let first = format!("n={},r={nonce}", username.replace('=', "=3D").replace(',', "=2C"));
        Self { hash, password: password.into(), first, nonce, server_signature: Vec::new() }
    }

    /// The first message.
    #[must_use]
    pub fn first(&self) -> String {
        format!("n,,{}", self.first)
    }

    /// The second message, which answers the server's first one.
    ///
    /// # Errors
    /// Says what is wrong with the server's message.
    pub fn second(&mut self, server: &str) -> Result<String, String> {
        let field = |name| server.split(',').find_map(|field| field.strip_prefix(name)).unwrap_or_default();
        let (nonce, salt) = (field("r="), base64::decode(field("s=")));
        let iterations: u32 = field("i=").parse().unwrap_or(0);
        if !nonce.starts_with(&self.nonce) || nonce == self.nonce {
            return Err("the server's nonce does not follow from ours".into());
        }
        let Some(salt) = salt.filter(|_| iterations > 0) else {
            return Err("the server's message has no salt or no number of iterations".into());
        };
        if iterations > ITERATIONS_MAX {
            return Err(format!("the server wants {iterations} iterations; {ITERATIONS_MAX} are the most"));
        }
        let salted = self.hash.stretched(self.password.as_bytes(), &salt, iterations);
        let client_key = self.hash.mac(&salted, &[b"Client Key"]);
        let without_proof = format!("c=biws,r={nonce}");
        let message = format!("{},{server},{without_proof}", self.first);
        let signature = self.hash.mac(&self.hash.digest(&client_key), &[message.as_bytes()]);
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(key, signature)| key ^ signature).collect();
        self.server_signature = self.hash.mac(&self.hash.mac(&salted, &[b"Server Key"]), &[message.as_bytes()]);
        Ok(format!("{without_proof},p={}", base64::encode(&proof)))
    }

    /// Checks the server's last message.
    ///
    /// # Errors
    /// The server rejects the password, or does not know it itself.
    pub fn verify(&self, server: &str) -> Result<(), String> {
        if let Some(error) = server.strip_prefix("e=") {
            return Err(error.into());
        }
        let signature = server.split(',').find_map(|field| base64::decode(field.strip_prefix("v=")?));
        match signature {
            Some(signature) if !signature.is_empty() && signature == self.server_signature => Ok(()),
            _ => Err("the server does not know the password itself; is it the right one?".into()),
        }
    }
}

impl ScramHash {
    fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => sha256::Hash::hash(bytes).to_vec(),
            Self::Sha512 => sha512::Hash::hash(bytes).to_vec(),
        }
    }

    fn mac(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Sha256 => {
                let mut mac = sha256::HMAC::new(key);
                parts.iter().for_each(|part| mac.update(part));
                mac.finalize().to_vec()
            }
            Self::Sha512 => {
                let mut mac = sha512::HMAC::new(key);
                parts.iter().for_each(|part| mac.update(part));
                mac.finalize().to_vec()
            }
        }
    }

    /// `Hi` of RFC 5802, which is PBKDF2 with one block.
    fn stretched(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        let mut last = self.mac(password, &[salt, &1_u32.to_be_bytes()]);
        let mut all = last.clone();
        for _ in 1..iterations {
            last = self.mac(password, &[&last]);
            all.iter_mut().zip(&last).for_each(|(all, last)| *all ^= last);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(hash: ScramHash) -> Exchange {
        Exchange::with_nonce(hash, "user", "pencil", "rOprNGfwEbeRWgbNEkqO".into())
    }

    const SERVER: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    #[test]
    fn the_exchange_of_the_standard_comes_out() {
        let mut exchange = exchange(ScramHash::Sha256);
        assert_eq!(exchange.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let second = exchange.second(SERVER).unwrap();
        assert_eq!(
            second,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert_eq!(exchange.verify("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Ok(()));
        assert!(exchange.verify("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=").is_err());
        assert_eq!(exchange.verify("e=invalid-proof"), Err("invalid-proof".into()));
    }

    #[test]
    fn a_server_that_has_not_been_asked_proves_nothing() {
        assert!(exchange(ScramHash::Sha256).verify("v=").is_err());
        assert!(exchange(ScramHash::Sha512).verify("").is_err());
    }

    #[test]
    fn the_longer_hash_makes_a_longer_proof() {
        let second = exchange(ScramHash::Sha512).second(SERVER).unwrap();
        assert_eq!(base64::decode(second.split("p=").nth(1).unwrap()).unwrap().len(), 64);
    }

    #[test]
    fn names_are_escaped_and_nonces_differ() {
        let first = Exchange::new(ScramHash::Sha256, "a=b,c", "").first();
        assert!(first.starts_with("n,,n=a=3Db=2Cc,r="), "{first}");
        assert_ne!(first, Exchange::new(ScramHash::Sha256, "a=b,c", "").first());
    }

    #[test]
    fn a_server_that_asks_for_what_makes_no_sense_is_rejected() {
        for (server, what) in [
            ("r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "nonce"),
            ("r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "nonce"),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=?,i=4096", "no salt"),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0", "no number of iterations"),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2000000000", "2000000000 iterations"),
            ("", "nonce"),
        ] {
            let error = exchange(ScramHash::Sha256).second(server).unwrap_err();
            assert!(error.contains(what), "{error}");
        }
    }
}
