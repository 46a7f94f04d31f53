//! Registries that speak the OCI distribution protocol: a plugin is an image with one layer of `application/wasm`, and
//! its signature another image under cosign's tag for it.
//!
//! Only the five requests that this takes: a manifest and a blob, each to be had and to be put, and a token.
//!
//! A registry says where to go on: who gives tokens, where to upload, where a blob is. The password goes to the registry
//! itself and to token services that the operator has named, tokens go to the registry alone, and neither goes over a
//! line that can be overheard. What is not told a secret may be anywhere.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, StatusCode, Uri, header};
use saker_model::text::{MESSAGE_BYTES_MAX, clean};
use saker_plugins::{Signature, sha256};
use serde_json::{Value, json};

use crate::install::FILE_BYTES_MAX;
use crate::install::client::{ServerResponse, send};
use crate::install::origin::ServerOrigin;
use crate::install::reference::OciReference;
use crate::install::sign::{payload, sign};

/// The type of an image's manifest.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The type of a layer that is a component, by the CNCF's "Wasm OCI Artifact layout".
const WASM: &str = "application/wasm";
/// The type of the configuration beside it.
const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// The type of cosign's payload.
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The type of the configuration that cosign puts beside it.
const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Where cosign puts the signature.
const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// Bytes of a manifest; registries take up to 4 MiB.
const MANIFEST_BYTES_MAX: usize = 4 << 20;
/// Bytes of a payload of cosign's, which has some hundred, and of every answer that is only read for its words.
const SMALL_BYTES_MAX: usize = 64 << 10;
/// Bytes of a registry's own words in an error.
const WORDS_BYTES_MAX: usize = 300;
/// Redirections of a blob: registries send to a store, and no further.
const REDIRECTIONS_MAX: usize = 3;

/// How registries are talked to.
#[derive(Clone, Default)]
pub struct RegistryClient {
    /// Registries that are spoken to without TLS: `host:port`.
    pub plain_http: Vec<String>,
    /// A user's name and password.
    pub login: Option<(String, String)>,
    /// Who beside a registry itself may be told the password, `host` or `host:port`: `auth.docker.io` gives Docker Hub's
    /// tokens.
    pub token_services: Vec<String>,
}

/// Without the password.
impl std::fmt::Debug for RegistryClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let user = self.login.as_ref().map(|(user, _)| user);
        let mut shown = f.debug_struct("Registry");
        shown.field("plain_http", &self.plain_http).field("user", &user);
        shown.field("token_services", &self.token_services).finish()
    }
}

/// Why a registry has not served.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The reference cannot be read.
    #[error("{0:?} is no reference: {1}; write oci://host/name:tag or oci://host/name@sha256:…")]
    Reference(String, &'static str),
    /// The registry has rejected, or is not there.
    #[error("{0}: {1}")]
    Rejected(String, String),
    /// There is nothing under this name.
    #[error("{0}: the registry has nothing under this name")]
    Missing(String),
    /// What is there is no plugin.
    #[error("{0} is no plugin: {1}; expected one layer of {WASM}")]
    NoPlugin(String, String),
    /// The key cannot sign.
    #[error("cannot sign: {0}")]
    Sign(String),
}

/// A plugin from a registry.
pub(crate) struct PulledPlugin {
    pub(crate) bytes: Vec<u8>,
    /// The digest of the manifest, which the same file can be had by for ever.
    pub(crate) digest: String,
    pub(crate) signature: Option<Signature>,
}

/// A conversation about one repository.
struct RepositorySession<'a> {
    registry: &'a RegistryClient,
    image: &'a OciReference,
    base: String,
    /// The registry itself.
    origin: ServerOrigin,
    /// What the registry wants to hear with every request, once it has said so.
    authorization: Option<String>,
}

impl RegistryClient {
    fn talk<'a>(&'a self, image: &'a OciReference) -> Result<RepositorySession<'a>, RegistryError> {
        let scheme = if self.plain_http.contains(&image.registry) { "http" } else { "https" };
        let base = format!("{scheme}://{}/v2/{}", image.registry, image.repository);
        let origin = base.parse().ok().and_then(|uri| ServerOrigin::of(&uri));
        let origin = origin.ok_or_else(|| RegistryError::Reference(image.to_string(), "it has no host"))?;
        Ok(RepositorySession { registry: self, image, base, origin, authorization: None })
    }

    /// Pulls a plugin, and its signature if it has one.
    pub(crate) async fn pull(&self, name: &str) -> Result<PulledPlugin, RegistryError> {
        let image = OciReference::parse(name)?;
        let mut talk = self.talk(&image)?;
        let no_plugin = |why: String| RegistryError::NoPlugin(name.to_owned(), clean(&why, MESSAGE_BYTES_MAX));
        let manifest = talk.manifest(&image.version).await?;
        let digest = sha256(&manifest);
        if image.version.starts_with("sha256:") && image.version != digest {
            return Err(no_plugin(format!("the registry answers with {digest}")));
        }
        let parsed: Value = serde_json::from_slice(&manifest).map_err(|error| no_plugin(error.to_string()))?;
        let layers = parsed["layers"].as_array().map_or(&[][..], Vec::as_slice);
        let [layer] = layers else { return Err(no_plugin(format!("it has {} layers", layers.len()))) };
        if layer["mediaType"] != WASM {
            return Err(no_plugin(format!("its layer is {}", layer["mediaType"])));
        }
        let bytes = talk.blob(&layer["digest"], FILE_BYTES_MAX).await?;
        let signature = talk.signature(&digest).await?.map(|(payload, signature)| Signature::Image {
            payload,
            signature,
            manifest: manifest.to_vec(),
        });
        Ok(PulledPlugin { bytes: bytes.to_vec(), digest, signature })
    }
}

/// Pushes a plugin, and if there is a key (PEM of PKCS#8) its signature as cosign would; answers the manifest's digest.
///
/// # Errors
/// [`RegistryError`]
pub async fn push(
    registry: &RegistryClient,
    name: &str,
    bytes: &[u8],
    key: Option<&str>,
) -> Result<String, RegistryError> {
    let image = OciReference::parse(name)?;
    let mut talk = registry.talk(&image)?;
    let manifest = talk.push_image(&image.version, WASM, bytes, WASM_CONFIG, json!({})).await?;
    let digest = sha256(&manifest);
    if let Some(key) = key {
        let payload = payload(&format!("{}/{}", image.registry, image.repository), &digest);
        let signature = sign(key, &payload).map_err(RegistryError::Sign)?;
        let annotations = json!({SIGNATURE_ANNOTATION: STANDARD.encode(signature)});
        talk.push_image(&signature_tag(&digest), SIMPLE_SIGNING, &payload, IMAGE_CONFIG, annotations).await?;
    }
    Ok(digest)
}

/// Where cosign puts the signature of a manifest.
fn signature_tag(digest: &str) -> String {
    format!("{}.sig", digest.replace(':', "-"))
}

impl RepositorySession<'_> {
    /// A rejection, in words that may be the registry's.
    fn rejected(&self, why: impl AsRef<str>) -> RegistryError {
        RegistryError::Rejected(self.image.to_string(), clean(why.as_ref(), MESSAGE_BYTES_MAX))
    }

    async fn manifest(&mut self, version: &str) -> Result<Bytes, RegistryError> {
        let accept = [(header::ACCEPT, MANIFEST.to_owned())];
        let path = format!("{}/manifests/{version}", self.base);
        let answer = self.ask(Method::GET, &path, &accept, Bytes::new(), MANIFEST_BYTES_MAX).await?;
        self.good(answer).map(|answer| answer.body)
    }

    /// A blob, held against its digest: it may come from a store that nobody has vouched for.
    async fn blob(&mut self, digest: &Value, most: usize) -> Result<Bytes, RegistryError> {
        let digest = digest.as_str().unwrap_or_default();
        let path = format!("{}/blobs/{digest}", self.base);
        let mut answer = self.ask(Method::GET, &path, &[], Bytes::new(), most).await?;
        for _ in 0..REDIRECTIONS_MAX {
            if !answer.status.is_redirection() {
                break;
            }
            let place = self.place(&answer)?;
            if !ServerOrigin::of(&place).is_some_and(|store| self.may_be_asked(&store)) {
                return Err(self.rejected(format!("it sends to {place}, which is no https:// address")));
            }
            // The store is another's: it is not told who asks.
            let sent = send(Method::GET, &place, &[], Bytes::new(), most).await;
            answer = sent.map_err(|why| self.rejected(why))?;
        }
        let answer = self.good(answer)?;
        if sha256(&answer.body) == digest {
            Ok(answer.body)
        } else {
            Err(self.rejected(format!("what it serves for {digest} is something else")))
        }
    }

    /// The payload and the signature that stand under cosign's tag for a manifest.
    async fn signature(&mut self, digest: &str) -> Result<Option<(Vec<u8>, Vec<u8>)>, RegistryError> {
        let manifest = match self.manifest(&signature_tag(digest)).await {
            Ok(manifest) => manifest,
            Err(RegistryError::Missing(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let manifest: Value = serde_json::from_slice(&manifest).map_err(|error| self.rejected(error.to_string()))?;
        let mut layers = manifest["layers"].as_array().into_iter().flatten();
        let Some(layer) = layers.find(|layer| layer["mediaType"] == SIMPLE_SIGNING) else { return Ok(None) };
        let text = layer["annotations"][SIGNATURE_ANNOTATION].as_str();
        let Some(signature) = text.and_then(|text| STANDARD.decode(text).ok()) else { return Ok(None) };
        let payload = self.blob(&layer["digest"], SMALL_BYTES_MAX).await?;
        Ok(Some((payload.to_vec(), signature)))
    }

    /// Puts an image of one layer under a tag; answers its manifest.
    async fn push_image(
        &mut self,
        tag: &str,
        layer_type: &str,
        layer: &[u8],
        config_type: &str,
        annotations: Value,
    ) -> Result<Bytes, RegistryError> {
        let config = b"{}";
        self.push_blob(config).await?;
        self.push_blob(layer).await?;
        let descriptor = |media_type: &str, bytes: &[u8]| json!({"mediaType": media_type, "digest": sha256(bytes), "size": bytes.len()});
        let mut described = descriptor(layer_type, layer);
        described["annotations"] = annotations;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(config_type, config),
            "layers": [described],
        });
        let manifest = Bytes::from(manifest.to_string());
        let path = format!("{}/manifests/{tag}", self.base);
        let kind = [(header::CONTENT_TYPE, MANIFEST.to_owned())];
        let answer = self.ask(Method::PUT, &path, &kind, manifest.clone(), SMALL_BYTES_MAX).await?;
        self.good(answer).map(|_| manifest)
    }

    async fn push_blob(&mut self, bytes: &[u8]) -> Result<(), RegistryError> {
        let path = format!("{}/blobs/uploads/", self.base);
        let answer = self.ask(Method::POST, &path, &[], Bytes::new(), SMALL_BYTES_MAX).await?;
        let place = self.place(&self.good(answer)?)?;
        if ServerOrigin::of(&place).as_ref() != Some(&self.origin) {
            return Err(self.rejected(format!("it wants the plugin to be sent to {place}, which is another server")));
        }
        let place = place.to_string();
        let digest = sha256(bytes);
        let place = format!("{place}{}digest={digest}", if place.contains('?') { '&' } else { '?' });
        let kind = [(header::CONTENT_TYPE, "application/octet-stream".to_owned())];
        let answer = self.ask(Method::PUT, &place, &kind, Bytes::copy_from_slice(bytes), SMALL_BYTES_MAX).await?;
        self.good(answer).map(|_| ())
    }

    /// Where an answer sends to: an address, or a path at the registry.
    fn place(&self, answer: &ServerResponse) -> Result<Uri, RegistryError> {
        let place =
            answer.header(header::LOCATION).ok_or_else(|| self.rejected("it sends elsewhere, and not where"))?;
        let scheme = self.base.split("://").next().unwrap_or("https");
        let whole =
            if place.starts_with('/') { format!("{scheme}://{}{place}", self.image.registry) } else { place.into() };
        whole.parse().map_err(|_| self.rejected(format!("it sends to {whole:?}")))
    }

    fn good(&self, answer: ServerResponse) -> Result<ServerResponse, RegistryError> {
        match answer.status {
            status if status.is_success() => Ok(answer),
            StatusCode::NOT_FOUND => Err(RegistryError::Missing(self.image.to_string())),
            status => {
                let words = String::from_utf8_lossy(&answer.body);
                Err(self.rejected(format!("{status}: {}", clean(&words, WORDS_BYTES_MAX))))
            }
        }
    }

    /// Asks, and asks again with what the registry wants to hear.
    async fn ask(
        &mut self,
        method: Method,
        uri: &str,
        headers: &[(header::HeaderName, String)],
        body: Bytes,
        most: usize,
    ) -> Result<ServerResponse, RegistryError> {
        let uri: Uri = uri.parse().map_err(|_| self.rejected(format!("{uri:?} is no address")))?;
        if ServerOrigin::of(&uri).as_ref() != Some(&self.origin) {
            return Err(self.rejected(format!("{uri} is another server")));
        }
        for again in [false, true] {
            let mut headers = headers.to_vec();
            headers.extend(self.authorization.clone().map(|words| (header::AUTHORIZATION, words)));
            let sent = send(method.clone(), &uri, &headers, body.clone(), most).await;
            let answer = sent.map_err(|why| self.rejected(why))?;
            if answer.status != StatusCode::UNAUTHORIZED || again {
                return Ok(answer);
            }
            self.authorization = Some(self.authorize(&answer, method != Method::GET).await?);
        }
        Err(self.rejected("it wants to be asked for ever"))
    }

    /// What to say to a registry that has answered 401.
    async fn authorize(&self, answer: &ServerResponse, to_push: bool) -> Result<String, RegistryError> {
        let challenge = answer.header(header::WWW_AUTHENTICATE).unwrap_or_default();
        let Some(fields) = challenge.strip_prefix("Bearer ") else {
            let basic = self.password_for(&self.origin)?;
            return basic.ok_or_else(|| self.rejected("it wants a user: --user and --password-file"));
        };
        let realm = field(fields, "realm").ok_or_else(|| self.rejected("it names nobody who gives tokens"))?;
        let rights = if to_push { "pull,push" } else { "pull" };
        let scope = format!("repository:{}:{rights}", self.image.repository);
        let service = encoded(field(fields, "service").unwrap_or_default());
        let sign = if realm.contains('?') { '&' } else { '?' };
        let uri = format!("{realm}{sign}service={service}&scope={scope}");
        let uri: Uri = uri.parse().map_err(|_| self.rejected(format!("{uri:?} is no address")))?;
        let service =
            ServerOrigin::of(&uri).ok_or_else(|| self.rejected(format!("{uri} gives no tokens: it is no address")))?;
        if !self.may_be_asked(&service) {
            return Err(self.rejected(format!(
                "{uri} gives its tokens, over plain HTTP; if that is meant: --plain-http {service}"
            )));
        }
        let password = self.password_for(&service)?;
        let headers: Vec<_> = password.map(|words| (header::AUTHORIZATION, words)).into_iter().collect();
        let sent = send(Method::GET, &uri, &headers, Bytes::new(), SMALL_BYTES_MAX).await;
        let answer = self.good(sent.map_err(|why| self.rejected(why))?)?;
        let given: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let token = given["token"].as_str().or_else(|| given["access_token"].as_str());
        let token = token.ok_or_else(|| self.rejected("it gives no token"))?;
        // Where nobody has logged in, anybody gets such a token.
        if self.registry.login.is_some() {
            self.unheard(&self.origin)?;
        }
        Ok(format!("Bearer {token}"))
    }

    /// Whether another server may be asked anything, without a secret: one that speaks TLS, or that the operator has
    /// named. So nobody has the agent's host ask around in its own network.
    fn may_be_asked(&self, server: &ServerOrigin) -> bool {
        !server.is_plain() || self.registry.plain_http.iter().any(|name| server.is_named(name))
    }

    /// The password, in the words of a header, if there is one and this server may be told it.
    fn password_for(&self, server: &ServerOrigin) -> Result<Option<String>, RegistryError> {
        let Some((user, password)) = &self.registry.login else { return Ok(None) };
        let named = self.registry.token_services.iter().any(|name| server.is_named(name));
        if *server != self.origin && !named {
            return Err(self.rejected(format!(
                "it sends to {server} for a token, which is another server and is not told the password; if it may be, \
                 say so: --token-service {server}"
            )));
        }
        self.unheard(server)?;
        Ok(Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))))
    }

    /// Rejects to tell a secret where others can listen.
    fn unheard(&self, server: &ServerOrigin) -> Result<(), RegistryError> {
        if server.is_overheard() {
            return Err(self.rejected(format!("neither password nor token go to {server} over plain HTTP")));
        }
        Ok(())
    }
}

/// A text as a part of a query.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).into() } else { format!("%{byte:02X}") }).collect()
}

/// The value of `name="…"` in a challenge.
fn field<'a>(fields: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = fields.split_once(&format!("{name}=\""))?;
    rest.split('"').next()
}

#[cfg(test)]
mod tests;
