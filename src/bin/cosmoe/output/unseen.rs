//! A file that appears under its name when it is whole.
//!
//! It is written as a temporary in the target's folder, and a link or rename makes it the target. On
//! Linux, where the file system knows files without a name, the temporary is one, so that a killed run
//! leaves nothing; elsewhere, and in the instant of a replacement, it may leave the temporary.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use crate::error::Failure;

/// A file in the making.
pub(crate) struct UnseenFile {
    /// Option and path, as messages show them.
    label: String,
    target: PathBuf,
    file: BufWriter<File>,
    /// `None` for a file without a name.
    temporary: Option<TempPath>,
}

impl UnseenFile {
    /// Checks the target that `option` names and makes the temporary; the target itself stays as it is.
    pub(crate) fn create(option: &str, path: &Path) -> Result<Self, Failure> {
        let label = format!("{option} {}", path.display());
        let target = target(path, &label)?;
        let folder = folder(&target);
        if !folder.is_dir() {
            let found = format!("no directory {}", folder.display());
            return Err(Failure::input(label, "an existing directory", found));
        }
        let (file, temporary) = temporary(folder)
            .map_err(|error| Failure::system(&label, "a writable directory", &error))?;
        keep_permissions(&file, &target).map_err(|error| refused(&label, &error))?;
        let file = BufWriter::with_capacity(1 << 20, file);
        Ok(Self { label, target, file, temporary })
    }

    pub(crate) fn seek(&mut self, position: u64) -> Result<(), Failure> {
        let sought = self.file.seek(SeekFrom::Start(position));
        sought.map(drop).map_err(|error| refused(&self.label, &error))
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).map_err(|error| refused(&self.label, &error))
    }

    /// The file is whole, and still unseen.
    pub(crate) fn seal(mut self) -> Result<SealedFile, Failure> {
        self.file.flush().map_err(|error| refused(&self.label, &error))?;
        Ok(SealedFile(self))
    }
}

/// A whole output file that is not yet in its place; dropped, it leaves nothing.
pub(crate) struct SealedFile(UnseenFile);

impl SealedFile {
    /// Puts the file in the target's place.
    pub(crate) fn place(self) -> Result<(), Failure> {
        let UnseenFile { label, target, file, temporary } = self.0;
        let placed = match temporary {
            Some(path) => path.persist(&target).map_err(|error| error.error),
            None => place_unnamed(file.get_ref(), &target),
        };
        placed.map_err(|error| refused(&label, &error))
    }
}

fn refused(label: &str, error: &io::Error) -> Failure {
    Failure::system(label, "to write the file", error)
}

/// Where the file goes: what `path` links to, if it is a link.
fn target(path: &Path, label: &str) -> Result<PathBuf, Failure> {
    let of_file = |path: PathBuf| match path.as_os_str().as_encoded_bytes().last() {
        Some(b'/') => Err(Failure::input(label, "the name of a file", "that of a directory")),
        _ => Ok(path),
    };
    let path = of_file(path.to_owned())?;
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => {
            path.canonicalize().map_err(|error| refused(label, &error))
        }
        Ok(metadata) if metadata.is_dir() => Err(Failure::input(label, "a file", "a directory")),
        Ok(_) => Err(Failure::input(label, "a regular file", "a device or pipe")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => of_file(end_of_links(path)),
        Err(error) => Err(refused(label, &error)),
    }
}

/// What a link to nothing points to: the file will be there, and the link stays.
fn end_of_links(mut path: PathBuf) -> PathBuf {
    // As many as Linux follows.
    for _ in 0..40 {
        match fs::read_link(&path) {
            Ok(link) => path = path.with_file_name(link),
            Err(_) => break,
        }
    }
    path
}

/// A file that is replaced hands on its permission bits.
#[cfg(unix)]
fn keep_permissions(file: &File, target: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    match fs::metadata(target) {
        Ok(old) => {
            let mode = old.permissions().mode() & 0o777;
            file.set_permissions(fs::Permissions::from_mode(mode))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(not(unix))]
fn keep_permissions(_: &File, _: &Path) -> io::Result<()> {
    Ok(())
}

fn folder(target: &Path) -> &Path {
    match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn temporary(folder: &Path) -> io::Result<(File, Option<TempPath>)> {
    #[cfg(target_os = "linux")]
    if let Some(file) = unnamed(folder)? {
        return Ok((file, None));
    }
    // With the permissions of any new file. The crate's own way to make one would put the
    // temporary's name, which means nothing to the user, into its errors.
    let create = |path: &Path| File::create_new(path);
    let (file, path) = tempfile::Builder::new().make_in(folder, create)?.into_parts();
    Ok((file, Some(path)))
}

/// A file without a name, or `None` where the system has no such thing.
#[cfg(target_os = "linux")]
fn unnamed(folder: &Path) -> io::Result<Option<File>> {
    use rustix::fs::{Mode, OFlags};
    use rustix::io::Errno;

    // Its only way to a name, see `link`.
    if !Path::new("/proc/self/fd").is_dir() {
        return Ok(None);
    }
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::open(folder, flags, Mode::from_raw_mode(0o666)) {
        Ok(fd) => Ok(Some(File::from(fd))),
        // What kernels and file systems without unnamed files say.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(target_os = "linux")]
fn place_unnamed(file: &File, target: &Path) -> io::Result<()> {
    match link(file, target) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // A link replaces nothing; a rename does, at once.
            let named =
                tempfile::Builder::new().make_in(folder(target), |path| link(file, path))?;
            named.into_temp_path().persist(target).map_err(|error| error.error)
        }
        done => done,
    }
}

#[cfg(target_os = "linux")]
fn link(file: &File, path: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD};
    use std::os::fd::AsRawFd;

    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::linkat(CWD, open, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(not(target_os = "linux"))]
fn place_unnamed(_: &File, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
