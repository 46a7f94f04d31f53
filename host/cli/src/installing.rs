//! `saker plugin install`, `update`, `installed`, `remove` and `push`: plugin files on their way to the plugin folder.
//!
//! The order is always the same: fetched whole, checked against the signatures that the configuration asks for, only
//! then compiled and described, then put in place and pinned.

use anyhow::{Context, bail};
use saker_author::Severity;
use saker_author::install::{
    Consent, Drift, FetchedPlugin, InstallFolder, PluginIdentity, PluginSource, RegistryClient,
};
use saker_plugins::{FolderConfig, SignatureConfig, TrustedKeys};
use saker_sandbox::Plugin;

use crate::args::{ConfigArgs, InstallArgs, InstallCommand, PushArgs, RegistryArgs, RemoveArgs, UpdateArgs};
use crate::collect::load_unseen;
use crate::printing::print;
use crate::say;
use crate::table;

/// Brings plugin files into the plugin folder of a configuration, which `read` reads, or to a registry.
///
/// # Errors
/// Whatever keeps a file from being where it should be, with what to do about it.
pub fn installing(
    command: &InstallCommand,
    read: impl Fn(&ConfigArgs) -> anyhow::Result<FolderConfig>,
) -> anyhow::Result<()> {
    crate::runtime()?.block_on(async {
        match command {
            InstallCommand::Install(args) => install(args, &read(&args.config)?).await,
            InstallCommand::Update(args) => update(args, &read(&args.config)?).await,
            InstallCommand::Installed(args) => installed(&read(args)?),
            InstallCommand::Remove(args) => remove(args, &read(&args.config)?),
            InstallCommand::Push(args) => push(args).await,
        }
    })
}

/// The plugin folder of a configuration, and whose signatures count in it.
struct InstallTarget {
    folder: InstallFolder,
    keys: TrustedKeys,
    signatures: SignatureConfig,
}

impl InstallTarget {
    fn open(config: &FolderConfig) -> anyhow::Result<Self> {
        let signatures = config.signatures.clone();
        let keys = TrustedKeys::read(&signatures.keys).context("plugins.signature_keys")?;
        Ok(Self { folder: InstallFolder::open(&config.dir)?, keys, signatures })
    }

    /// What a fetched file is, if it is signed as it has to be.
    async fn look_at(&self, fetched: &FetchedPlugin) -> anyhow::Result<Plugin> {
        let beside = format!("{}.wasm.sig", fetched.name);
        self.keys
            .check(&fetched.bytes, fetched.signature.as_ref(), self.signatures.required, &beside)
            .with_context(|| format!("{} is not installed", fetched.name))?;
        let (_sandbox, plugin) =
            load_unseen(&fetched.bytes).await.with_context(|| format!("cannot use {}", fetched.source))?;
        Ok(plugin)
    }

    fn put(&mut self, fetched: &FetchedPlugin, plugin: &Plugin, consent: Consent) -> anyhow::Result<()> {
        let about = plugin.description();
        let named = PluginIdentity { plugin: about.name.clone(), version: about.version.clone() };
        let pin = self.folder.install(fetched, &named, &self.keys, self.signatures.required, consent)?;
        let signed =
            pin.signed_by.as_ref().map_or("not checked for a signature".into(), |key| format!("signed by {key}"));
        say!("{}: {} {}, a {}, {signed}", fetched.name, about.name, about.version, plugin.kind().as_str())?;
        Ok(())
    }
}

async fn install(args: &InstallArgs, config: &FolderConfig) -> anyhow::Result<()> {
    let mut place = InstallTarget::open(config)?;
    let mut found =
        saker_author::install::fetch(&PluginSource::from(args.source.as_str()), &registry(&args.registry)?).await?;
    if let Some(name) = &args.name {
        let [one] = &mut found[..] else { bail!("--name: {} holds {} plugins", args.source, found.len()) };
        one.name.clone_from(name);
    }
    for fetched in &found {
        let plugin = place.look_at(fetched).await?;
        place.put(fetched, &plugin, Consent { downgrade: args.downgrade, other_name: args.name.is_some() })?;
        for want in &plugin.description().requests {
            say!("  requests {}  # {}", want.permission.grant_line(), want.reason)?;
        }
    }
    Ok(())
}

async fn update(args: &UpdateArgs, config: &FolderConfig) -> anyhow::Result<()> {
    let mut place = InstallTarget::open(config)?;
    let registry = registry(&args.registry)?;
    let names = if args.names.is_empty() { place.folder.pins().keys().cloned().collect() } else { args.names.clone() };
    let mut rejected = Vec::new();
    for name in names {
        let source = PluginSource::from(place.folder.pin(&name)?.source.as_str());
        let found = saker_author::install::fetch(&source, &registry).await?;
        let [fetched] = &found[..] else { bail!("{source} holds {} plugins now", found.len()) };
        let fetched = FetchedPlugin { name: name.clone(), ..fetched.clone() };
        let new = place.look_at(&fetched).await?;
        let before = std::fs::read(place.folder.path(&name));
        if before.as_ref().is_ok_and(|bytes| *bytes == fetched.bytes) {
            say!("{name}: unchanged")?;
            continue;
        }
        // What was installed is gone, or no plugin any more: then there is nothing to ask more than.
        let old = match &before {
            Ok(bytes) => load_unseen(bytes).await.ok(),
            Err(_) => None,
        };
        let changes = old.map_or(Vec::new(), |(_, old)| saker_author::diff(&old, &new));
        for change in &changes {
            say!("{name}: {} {}: {}", change.weight.as_str(), change.what, change.words)?;
        }
        if changes.iter().any(|change| change.weight == Severity::More) && !args.accept {
            rejected.push(name);
            continue;
        }
        place.put(&fetched, &new, Consent { downgrade: args.downgrade, other_name: true })?;
    }
    if !rejected.is_empty() {
        bail!(
            "not updated, for the new version asks for more: {}; look above, and run again with --accept",
            rejected.join(", ")
        );
    }
    Ok(())
}

fn installed(config: &FolderConfig) -> anyhow::Result<()> {
    let folder = InstallFolder::look(&config.dir)?;
    let mut rows =
        vec![["plugin", "version", "hash", "file", "source", "digest", "signed by"].map(String::from).to_vec()];
    let mut drifted = 0;
    for (name, pin) in folder.pins() {
        let drift = match folder.drift(name)? {
            Drift::None => "as installed",
            Drift::Missing => "missing",
            Drift::Changed => "changed",
        };
        drifted += usize::from(drift != "as installed");
        rows.push(vec![
            name.clone(),
            pin.version.clone().unwrap_or_default(),
            pin.hash.chars().take(12).collect(),
            drift.to_owned(),
            pin.source.clone(),
            pin.digest.clone().unwrap_or_default(),
            pin.signed_by.clone().unwrap_or_default(),
        ]);
    }
    print(format_args!("{}", table::render(&rows)))?;
    if drifted > 0 {
        bail!("{drifted} of {} are not what was installed: see above", folder.pins().len());
    }
    Ok(())
}

fn remove(args: &RemoveArgs, config: &FolderConfig) -> anyhow::Result<()> {
    let mut place = InstallTarget::open(config)?;
    place.folder.remove(&args.name)?;
    say!("{}: removed", args.name)?;
    Ok(())
}

async fn push(args: &PushArgs) -> anyhow::Result<()> {
    let bytes = std::fs::read(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?;
    // Nobody wants to find out at the other end that it is no plugin.
    load_unseen(&bytes).await.with_context(|| format!("cannot use {}", args.file.display()))?;
    let key = args.sign_key.as_ref().map(|file| {
        std::fs::read_to_string(file).with_context(|| format!("--sign-key: cannot read {}", file.display()))
    });
    let key = key.transpose()?;
    let digest = saker_author::install::push(&registry(&args.registry)?, &args.target, &bytes, key.as_deref()).await?;
    say!("{digest}")?;
    Ok(())
}

fn registry(args: &RegistryArgs) -> anyhow::Result<RegistryClient> {
    let login = match (&args.user, &args.password_file) {
        (Some(user), Some(file)) => {
            let password = std::fs::read_to_string(file)
                .with_context(|| format!("--password-file: cannot read {}", file.display()))?;
            Some((user.clone(), password.trim_end().to_owned()))
        }
        _ => None,
    };
    Ok(RegistryClient { plain_http: args.plain_http.clone(), login, token_services: args.token_service.clone() })
}
