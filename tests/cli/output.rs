//! The output file appears whole or not at all.

use std::fs;
use std::io::Read;
use std::process::Stdio;

use tempfile::tempdir;

use crate::support::{Tensor, command, cosmoe, load, names, numbers, save};

#[test]
fn an_existing_file_is_replaced_at_the_end_only() {
    let dir = tempdir().unwrap();
    let out = dir.path().join("out");
    fs::write(&out, "old").unwrap();
    assert_eq!(cosmoe(dir.path(), "route --top-k 17 --out out").code, Some(1));
    assert_eq!(fs::read(&out).unwrap(), b"old");
    assert_eq!(cosmoe(dir.path(), "route --top-k 1 --out out").code, Some(0));
    assert!(load(&out).contains_key("expert_ids"));
    assert_eq!(names(dir.path()), ["out"]);
}

#[test]
fn an_input_may_be_the_output() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("x");
    save(&path, &[("expert_ids", Tensor::i32(&[2, 1], &[1, 0]))]);
    assert_eq!(cosmoe(dir.path(), "plan --ids x --experts 2 --out x").code, Some(0));
    let tensors = load(&path);
    assert_eq!(tensors["expert_ids"].values::<i32>(), [1, 0]);
    assert_eq!(tensors["assignment_of_row"].values::<i32>(), [1, 0]);
}

#[cfg(unix)]
#[test]
fn a_new_file_honours_the_umask_and_a_link_stays_a_link() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempdir().unwrap();
    std::os::unix::fs::symlink("real", dir.path().join("link")).unwrap();
    fs::write(dir.path().join("real"), "").unwrap();
    assert_eq!(cosmoe(dir.path(), "route --top-k 1 --out link").code, Some(0));
    assert!(dir.path().join("link").symlink_metadata().unwrap().is_symlink());
    assert!(load(&dir.path().join("real")).contains_key("expert_ids"));

    // What a plain new file gets here.
    fs::write(dir.path().join("plain"), "").unwrap();
    let mode = |name: &str| fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
    assert_eq!(mode("real"), mode("plain"));
    assert_eq!(cosmoe(dir.path(), "route --top-k 1 --out new").code, Some(0));
    assert_eq!(mode("new"), mode("plain"));
}

#[cfg(unix)]
#[test]
fn a_link_to_nothing_stays_a_link() {
    use std::os::unix::fs::symlink;
    let dir = tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("folder")).unwrap();
    symlink("folder/second", at("first")).unwrap();
    symlink("../real", at("folder/second")).unwrap();
    assert_eq!(cosmoe(dir.path(), "route --top-k 1 --out first").code, Some(0));
    for link in ["first", "folder/second"] {
        assert!(at(link).symlink_metadata().unwrap().is_symlink());
    }
    assert!(load(&at("real")).contains_key("expert_ids"));

    let refused = [
        ("new/o", "an existing directory, found no directory new"),
        ("new/", "the name of a file, found that of a directory"),
    ];
    for (place, expected) in refused {
        let link = at("lost");
        symlink(place, &link).unwrap();
        let run = cosmoe(dir.path(), "route --top-k 1 --out lost");
        let expected = format!("error: --out lost: expected {expected}\n");
        assert_eq!((run.code, run.stderr), (Some(1), expected));
        assert!(link.symlink_metadata().unwrap().is_symlink());
        fs::remove_file(link).unwrap();
    }
    symlink("round", at("round")).unwrap();
    let run = cosmoe(dir.path(), "route --top-k 1 --out round");
    assert_eq!((run.code, run.stderr.lines().count()), (Some(1), 1), "{}", run.stderr);
    assert_eq!(names(dir.path()), ["first", "folder", "real", "round"]);
}

#[cfg(unix)]
#[test]
fn a_replaced_file_keeps_its_permission_bits() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempdir().unwrap();
    let out = dir.path().join("o");
    fs::write(&out, "old").unwrap();
    for mode in [0o600, 0o640, 0o444, 0o666] {
        fs::set_permissions(&out, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(cosmoe(dir.path(), "route --top-k 1 --out o").code, Some(0));
        assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, mode);
        assert!(load(&out).contains_key("expert_ids"));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_takes_no_files_is_one_plain_line() {
    let dir = tempdir().unwrap();
    let run = cosmoe(dir.path(), "route --top-k 1 --out /proc/o");
    let found = "\"No such file or directory (os error 2)\"";
    let expected = format!("error: --out /proc/o: expected a writable directory, found {found}\n");
    assert_eq!((run.code, run.stderr), (Some(1), expected));
}

#[cfg(target_os = "linux")]
#[test]
fn a_killed_run_leaves_nothing() {
    let dir = tempdir().unwrap();
    let (tokens, hidden, experts) = (60_000, 4, 2048);
    let data = Tensor::f32(&[tokens, hidden], &numbers(tokens * hidden, 1));
    save(&dir.path().join("t"), &[("tokens", data)]);
    let data = Tensor::f32(&[experts, hidden], &numbers(experts * hidden, 2));
    save(&dir.path().join("r"), &[("experts", data)]);
    fs::write(dir.path().join("out"), "old").unwrap();

    let args = "route --top-k 1 --tokens t --router r --scores --out out";
    let mut run = command(dir.path(), &args.split(' ').collect::<Vec<_>>());
    let mut child = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // Until some of the 480 MB are written to the file without a name.
    let descriptors = format!("/proc/{}/fd", child.id());
    let deleted = |link: fs::DirEntry| {
        let target = fs::read_link(link.path()).ok()?;
        let is_ours = target.starts_with(dir.path().canonicalize().ok()?)
            && target.to_string_lossy().ends_with("(deleted)");
        is_ours.then(|| fs::metadata(link.path()).map_or(0, |metadata| metadata.len()))
    };
    loop {
        assert_eq!(child.try_wait().unwrap(), None, "finished before it was killed");
        let links = fs::read_dir(&descriptors).into_iter().flatten().flatten();
        if links.filter_map(deleted).any(|len| len > 1 << 20) {
            break;
        }
        let is_named = names(dir.path()).len() > 3;
        if is_named {
            // A file system without unnamed files: nothing to promise.
            child.kill().unwrap();
            child.wait().unwrap();
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(names(dir.path()), ["out", "r", "t"]);
    assert_eq!(fs::read(dir.path().join("out")).unwrap(), b"old");
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let dir = tempdir().unwrap();
    let ids = Tensor::i32(&[1, 1], &[0]);
    save(&dir.path().join("i"), &[("expert_ids", ids)]);
    // More output than a pipe holds, or a reader that never was.
    for (rest, early) in [("", true), ("--json", true), ("--json", false)] {
        let args = format!("plan --ids i --experts 100000 --device cpu {rest}");
        let mut run = command(dir.path(), &args.split_whitespace().collect::<Vec<_>>());
        let (reader, writer) = std::io::pipe().unwrap();
        let reader = (!early).then_some(reader);
        let mut child = run.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        // It holds a writer of its own.
        drop(run);
        if let Some(mut reader) = reader {
            reader.read_exact(&mut [0]).unwrap();
        }
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert_eq!(stderr, "");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_output_is_an_error() {
    let dir = tempdir().unwrap();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut run = command(dir.path(), &["route", "--top-k", "1", "--out", "o"]);
    let output = run.stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "error: standard output: expected to write the result, found \"No space left on device \
         (os error 28)\"\n"
    );
    assert!(!dir.path().join("o").exists(), "a failed run left its file");
}
