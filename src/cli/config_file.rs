//! config.toml as commands add to it: one command at a time, and never over what somebody else saved meanwhile.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Context, Exit, Failure};
use crate::config::Config;
use crate::model::{Fault, Faults};

/// How often a command looks whether another one is done with the file. It takes milliseconds; one that hangs holds nobody up for long.
const LOOKS_MAX: u32 = 250;
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// config.toml, as it was when this command's turn came. No other command adds to it until this is dropped.
pub struct ConfigFile {
    /// As the user names it: paths in it are meant from there.
    file: PathBuf,
    /// The file itself. What a link leads to stays where it is.
    target: PathBuf,
    text: String,
    /// Holds the lock.
    _lock: File,
}

impl ConfigFile {
    /// Waits for its turn, and reads the file.
    pub fn open(context: &Context) -> Result<Self, Failure> {
        let file = context.config_file.clone();
        let cannot = |error| unwritten(&file, error);
        let target = std::fs::canonicalize(&file).map_err(cannot)?;
        if std::fs::metadata(&target).map_err(cannot)?.permissions().readonly() {
            let fault = Fault::error("file", format!("cannot write {}: it is read-only", file.display()));
            return Err(Failure::new(Exit::Usage, fault.hint(format!("chmod u+w {}", target.display()))));
        }
        let Some(lock) = locked(&target).map_err(cannot)? else {
            let fault = Fault::error("busy", format!("somebody else is changing {}; nothing was written", file.display()));
            return Err(Failure::new(Exit::Problems, fault.hint("try again when the other `postrider sources` has ended")));
        };
        let text = std::fs::read_to_string(&target).map_err(cannot)?;
        Ok(Self { file, target, text, _lock: lock })
    }

    /// What stands in it. Its warnings were told before.
    pub fn config(&self) -> Result<Config, Failure> {
        Ok(Config::parse(&self.file, &self.text, std::env::vars())?.0)
    }

    /// Writes the blocks behind what stands there, when the whole is a valid configuration then. The file is replaced at once and keeps who may
    /// read it: it may hold passwords.
    pub fn append(self, blocks: &str) -> Result<(), Failure> {
        let cannot = |error| unwritten(&self.file, error);
        let end = if self.text.ends_with('\n') || self.text.is_empty() { "" } else { "\n" };
        let text = format!("{}{end}{blocks}", self.text);
        let lines = self.text.lines().count();
        Config::parse(&self.file, &text, std::env::vars()).map_err(|faults| without_places_after(lines, faults))?;
        let new = Beside::written(&self.target, &text).map_err(cannot)?;
        // An editor knows nothing of our lock.
        if std::fs::read_to_string(&self.target).map_err(cannot)? != self.text {
            let fault = Fault::error("changed", format!("{} was changed meanwhile; nothing was written", self.file.display()));
            return Err(Failure::new(Exit::Problems, fault.hint("try again")));
        }
        std::fs::rename(&new.0, &self.target).map_err(cannot)
    }
}

fn unwritten(file: &Path, error: std::io::Error) -> Failure {
    let fault = Fault::error("file", format!("cannot write {}: {error}", file.display()));
    Failure::new(Exit::Usage, fault.hint("the file, and the folder it lies in, must be writable"))
}

/// What is to be written is in no line of the file yet. What was TOML before and is none with it has an array where a section is to follow.
fn without_places_after(lines: usize, faults: Faults) -> Faults {
    let placed = |fault: Fault| Fault { place: fault.place.filter(|place| place.line <= lines), ..fault };
    let told = faults.0.into_iter().map(placed).map(|fault| match fault.code {
        "syntax" => fault.hint("`source = [{ ... }]` takes no more sources: write each of them as a [[source]] of its own"),
        _ => fault,
    });
    Faults(told.collect())
}

/// The file with a lock, or nothing when somebody else holds it and does not let go. The system lets go for whoever ends.
fn locked(target: &Path) -> std::io::Result<Option<File>> {
    for _ in 0..LOOKS_MAX {
        let file = File::open(target)?;
        match file.try_lock() {
            Ok(()) if is_at(&file, target)? => return Ok(Some(file)),
            // Who held it has put another file in its place.
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            // Some file systems have no locks. That the file is compared before it is replaced must do there.
            Err(TryLockError::Error(_)) => return Ok(Some(file)),
        }
    }
    Ok(None)
}

/// Whether the open file is the one that has this name now.
fn is_at(file: &File, target: &Path) -> std::io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let (open, named) = (file.metadata()?, std::fs::metadata(target)?);
        Ok((open.dev(), open.ino()) == (named.dev(), named.ino()))
    }
    // Elsewhere an open file cannot be replaced.
    #[cfg(not(unix))]
    {
        let _ = (file, target);
        Ok(true)
    }
}

/// A file beside another, with its permissions and its owner; gone when it is dropped.
struct Beside(PathBuf);

impl Beside {
    fn written(file: &Path, text: &str) -> std::io::Result<Self> {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let beside = Self(folder.join(format!(".config-{}.toml", std::process::id())));
        std::fs::copy(file, &beside.0)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            let owner = std::fs::metadata(file)?;
            // Only root can, and only root need: whoever else may write here owns what they write.
            let _ = std::os::unix::fs::chown(&beside.0, Some(owner.uid()), Some(owner.gid()));
        }
        std::fs::write(&beside.0, text)?;
        File::open(&beside.0)?.sync_all()?;
        Ok(beside)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // After it took the other's place there is nothing left to remove.
        drop(std::fs::remove_file(&self.0));
    }
}
