//! The part of the command line that brings plugin files into the plugin folder, and to registries.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ConfigArgs;

#[derive(Debug, Subcommand)]
pub enum InstallCommand {
    /// Put a plugin into the plugin folder, from a file, a folder or a registry, and pin it in plugins.lock.
    Install(InstallArgs),
    /// Fetch what was installed anew. A version that asks for more is put in place only with --accept.
    Update(UpdateArgs),
    /// List what was installed, and whether it is still the same file.
    Installed(ConfigArgs),
    /// Take a plugin that was installed out of the plugin folder.
    Remove(RemoveArgs),
    /// Put a plugin into a registry, and sign it there as cosign does.
    Push(PushArgs),
}

/// How registries are talked to.
#[derive(Debug, Args)]
pub struct RegistryArgs {
    /// Speak to this registry without TLS.
    #[arg(long, value_name = "HOST:PORT")]
    pub plain_http: Vec<String>,
    /// A server beside the registry itself that may be told the password when the registry sends there for a token:
    /// auth.docker.io for Docker Hub.
    #[arg(long, value_name = "HOST[:PORT]")]
    pub token_service: Vec<String>,
    /// The user to log in as. Name and password go to the registry, never over plain HTTP except on this machine.
    #[arg(long, value_name = "NAME", requires = "password_file")]
    pub user: Option<String>,
    /// A file that holds the user's password.
    #[arg(long, value_name = "FILE", requires = "user")]
    pub password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct InstallArgs {
    /// A .wasm file, a folder of them, `oci://host/name:tag` or `oci://host/name@sha256:…`.
    pub source: String,
    /// The name in the plugin folder, if not the source's own.
    #[arg(long)]
    pub name: Option<String>,
    /// Put an older version in the place of a newer one.
    #[arg(long)]
    pub downgrade: bool,
    #[command(flatten)]
    pub registry: RegistryArgs,
    #[command(flatten)]
    pub config: ConfigArgs,
}

#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// The plugins to update; all that were installed if none is named.
    pub names: Vec<String>,
    /// Put versions in place that ask for more than those before.
    #[arg(long)]
    pub accept: bool,
    /// Put older versions in the place of newer ones.
    #[arg(long)]
    pub downgrade: bool,
    #[command(flatten)]
    pub registry: RegistryArgs,
    #[command(flatten)]
    pub config: ConfigArgs,
}

#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// The plugin's name in the plugin folder.
    pub name: String,
    #[command(flatten)]
    pub config: ConfigArgs,
}

#[derive(Debug, Args)]
pub struct PushArgs {
    /// The plugin file.
    pub file: PathBuf,
    /// Where to: `oci://host/name:tag`.
    pub target: String,
    /// A private key to sign with: PEM of PKCS#8, ECDSA P-256 or Ed25519.
    #[arg(long, value_name = "FILE")]
    pub sign_key: Option<PathBuf>,
    #[command(flatten)]
    pub registry: RegistryArgs,
}
