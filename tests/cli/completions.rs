//! `completions`: scripts that shells take.

use std::process::{Command, Stdio};

use tempfile::tempdir;

use crate::support::{Run, cosmoe, finished};

fn script(shell: &str) -> String {
    let dir = tempdir().unwrap();
    let run = cosmoe(dir.path(), &format!("completions {shell}"));
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{shell}");
    run.stdout
}

#[test]
fn every_shell_gets_all_commands_options_and_names() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = script(shell);
        for word in ["cosmoe", "select", "completions", "expert-window", "bias-placement"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        // Scripts of the other two complete no values.
        let values = ["sqrt-softplus-renorm", "perturbed-cosine", "sum-of-top-two"];
        if ["bash", "fish", "zsh"].contains(&shell) {
            assert!(values.iter().all(|value| script.contains(value)), "{shell}");
        }
    }
}

/// Runs bash, or says that there is none.
fn bash(args: &[&str]) -> Option<Run> {
    let found = Command::new("bash").arg("--version").stdout(Stdio::null()).status();
    found.ok().filter(std::process::ExitStatus::success)?;
    let mut command = Command::new("bash");
    command.args(args).stdin(Stdio::null());
    Some(finished(command))
}

#[test]
fn bash_parses_its_script() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("cosmoe.bash");
    std::fs::write(&path, script("bash")).unwrap();
    let Some(run) = bash(&["-n", path.to_str().unwrap()]) else {
        return;
    };
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (Some(0), "", ""));
}

#[test]
fn bash_completes_options_and_names() {
    let script = script("bash");
    // The words of a command line, of which the last is incomplete.
    let complete = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let [.., previous, current] = words[..] else { panic!("too few words") };
        let count = words.len() - 1;
        let call = format!(
            "{script}\nCOMP_WORDS=({line})\nCOMP_CWORD={count}\n\
             _cosmoe cosmoe '{current}' '{previous}'\nprintf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        bash(&["--norc", "-c", &call]).map(|run| {
            assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{line}");
            run.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
        })
    };
    let Some(commands) = complete("cosmoe p") else {
        return;
    };
    assert_eq!(commands, ["plan"]);
    assert_eq!(complete("cosmoe route --tau").unwrap(), ["--tau-token", "--tau-expert"]);
    let gates = ["sigmoid", "sigmoid-renorm"];
    assert_eq!(complete("cosmoe select --gate sig").unwrap(), gates);
    let models = ["qwen3-30b-a3b", "qwen3-235b-a22b"];
    assert_eq!(complete("cosmoe route --preset qwen3").unwrap(), models);
    assert_eq!(complete("cosmoe completions z").unwrap(), ["zsh"]);
}
