//! The part of the command line that brings plugin files into the plugin folder, and to registries.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ConfigArgs;

#[derive(Debug, Subcommand)]
pub enum InstallCommand {
    /// Install a plugin from a file, a folder or a registry into the plugin folder, and pin it in plugins.lock.
    Install(InstallArgs),
    /// Update installed plugins from their sources. A version that asks for more is installed only with --accept.
    Update(UpdateArgs),
    /// List installed plugins, and whether their files are unchanged.
    Installed(ConfigArgs),
    /// Remove an installed plugin from the plugin folder.
    Remove(RemoveArgs),
    /// Push a plugin to a registry, and sign it there as cosign does.
    Push(PushArgs),
}

/// How registries are talked to.
#[derive(Debug, Args)]
pub struct RegistryArgs {
    /// Use plain HTTP for this registry.
    #[arg(long, value_name = "HOST:PORT")]
    pub plain_http: Vec<String>,
    /// A server other than the registry that may receive the password when the registry redirects there for a token:
    /// auth.docker.io for Docker Hub.
    #[arg(long, value_name = "HOST[:PORT]")]
    pub token_service: Vec<String>,
    /// The user to log in as. Name and password are sent to the registry, never over plain HTTP except on this machine.
    #[arg(long, value_name = "NAME", requires = "password_file")]
    pub user: Option<String>,
    /// A file that contains the user's password.
    #[arg(long, value_name = "FILE", requires = "user")]
    pub password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct InstallArgs {
    /// A .wasm file, a folder of them, `oci://host/name:tag` or `oci://host/name@sha256:…`.
    pub source: String,
    /// The name in the plugin folder, by default the source's.
    #[arg(long)]
    pub name: Option<String>,
    /// Replace a newer version with an older one.
    #[arg(long)]
    pub downgrade: bool,
    #[command(flatten)]
    pub registry: RegistryArgs,
    #[command(flatten)]
    pub config: ConfigArgs,
}

#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// The plugins to update; by default all that are installed.
    pub names: Vec<String>,
    /// Install versions that ask for more than the old ones.
    #[arg(long)]
    pub accept: bool,
    /// Replace newer versions with older ones.
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
    /// The target: `oci://host/name:tag`.
    pub target: String,
    /// A private key to sign with: PEM of PKCS#8, ECDSA P-256 or Ed25519.
    #[arg(long, value_name = "FILE")]
    pub sign_key: Option<PathBuf>,
    #[command(flatten)]
    pub registry: RegistryArgs,
}
