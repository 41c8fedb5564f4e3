//! What the tests need from the machine: a few programs, and Python packages for the independent reader of the format.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::workspace::Workspace;

/// What must be there, how to see that it is, and the Debian package that brings it.
const PROGRAMS: &[(&[&str], &str)] = &[
    (&["setfacl", "--version"], "acl"),
    (&["setfattr", "--version"], "attr"),
    (&["age", "--version"], "age"),
    (&["zstd", "--version"], "zstd"),
    (&["b3sum", "--version"], "b3sum"),
    (&["python3", "--version"], "python3"),
    (&["python3", "-c", "import ensurepip, venv"], "python3-venv"),
];

/// The packages that the reader in docs/reader imports; pinned, so that a run today and next year use the same.
const PYTHON_PACKAGES: &[&str] = &["cryptography==50.0.2", "zstandard==0.25.0", "blake3==1.0.11"];
const PYTHON_CHECK: &str = "import cryptography, zstandard, blake3";

/// What was set up.
pub(crate) struct Setup {
    /// A Python that has what the reader imports; tests find it as BACKUP_TEST_PYTHON.
    pub(crate) python: PathBuf,
}

/// Installs what is missing and leaves alone what is there.
pub(crate) fn run(workspace: &Workspace) -> Result<Setup> {
    install_programs()?;
    let python = python(&workspace.kept().join("venv"))?;
    println!("BACKUP_TEST_PYTHON={}", python.display());
    Ok(Setup { python })
}

fn install_programs() -> Result<()> {
    let missing: Vec<&str> = PROGRAMS.iter().filter(|(check, _)| !runs(check)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    apt_install(&missing)?;
    match PROGRAMS.iter().find(|(check, _)| !runs(check)) {
        Some((check, package)) => bail!("`{}` does not run, although {package} was installed", check.join(" ")),
        None => Ok(()),
    }
}

/// Installs Debian packages without asking anything.
pub(crate) fn apt_install(packages: &[&str]) -> Result<()> {
    let by_hand = || format!("install these Debian packages by hand: {}", packages.join(" "));
    let Some(mut update) = apt() else {
        bail!("there is no apt-get, or no right to use it; {}", by_hand());
    };
    // Package lists that are old or missing are the usual reason of a first failure.
    if apt_get_install(packages)? {
        return Ok(());
    }
    let updated = process::status(update.args(["-qq", "update"]))?.success();
    anyhow::ensure!(updated && apt_get_install(packages)?, "apt-get failed; {}", by_hand());
    Ok(())
}

fn apt_get_install(packages: &[&str]) -> Result<bool> {
    let mut command = apt().context("apt-get is gone")?;
    command.args(["-qq", "-y", "--no-install-recommends", "install"]).args(packages);
    Ok(process::status(&mut command)?.success())
}

/// `apt-get` as root, if there is a way to be root without a password.
fn apt() -> Option<Command> {
    let root = process::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    let mut command = match root {
        true => Command::new("env"),
        false if runs(&["sudo", "-n", "true"]) => {
            let mut sudo = Command::new("sudo");
            sudo.args(["-n", "env"]);
            sudo
        }
        false => return None,
    };
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    runs(&["apt-get", "--version"]).then_some(command)
}

/// A virtual environment with the reader's packages, made anew when it is not whole.
fn python(folder: &Path) -> Result<PathBuf> {
    let python = folder.join("bin/python3");
    let marker = folder.join("packages.txt");
    let packages = PYTHON_PACKAGES.join("\n");
    let imports = || process::succeeds(Command::new(&python).args(["-c", PYTHON_CHECK]));
    if std::fs::read_to_string(&marker).is_ok_and(|kept| kept == packages) && imports() {
        return Ok(python);
    }
    let made = process::status(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
    anyhow::ensure!(made.success(), "cannot make a Python environment in {}", folder.display());
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--only-binary=:all:"]);
    let installed = process::status(pip.args(PYTHON_PACKAGES))?;
    anyhow::ensure!(
        installed.success() && imports(),
        "cannot install {} into {}; the tests of the independent reader need them",
        PYTHON_PACKAGES.join(" "),
        folder.display()
    );
    std::fs::write(&marker, packages).with_context(|| format!("cannot write {}", marker.display()))?;
    Ok(python)
}

/// Whether the program is there and this call of it succeeds.
pub(crate) fn runs(call: &[&str]) -> bool {
    match call.split_first() {
        Some((program, arguments)) => process::succeeds(Command::new(program).args(arguments)),
        None => false,
    }
}
