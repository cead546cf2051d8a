//! Runs the commands that README.md shows.

use std::path::Path;
use std::process::Command;

use crate::run::{Failure, Result, cannot_start, cargo, root, succeeded, target_dir};

/// The two commands of the first screen.
const PROMISED: [&str; 2] = ["cargo run --release -- route --top-k 2", "cargo xtask test"];
/// How a command in README.md may start. Those of the program itself are run.
const PROGRAM: [&str; 2] = ["cargo run --release -- ", "cosmoe "];
const OTHERS: [&str; 9] = [
    "cargo add cosmoe",
    "cargo bench",
    "cargo build",
    "cargo doc",
    "cargo install",
    "cargo xtask ",
    "cd ",
    "git clone ",
    "python3 ",
];

/// Every shell command of README.md starts in a known way; those of the program succeed, one after
/// the other, in a scratch folder that holds a copy of data/.
pub(crate) fn check() -> Result<()> {
    let text = read(&root().join("README.md"))?;
    let commands = shell_commands(&text);
    for promised in PROMISED {
        if !commands.iter().any(|command| command == promised) {
            return Err(Failure::new(format!("README.md: expected the command `{promised}`")));
        }
    }
    let folder = scratch()?;
    let mut runs = 0;
    for command in &commands {
        match arguments(command)? {
            Some(args) if runnable(&args, &folder) => {
                println!("$ {command}");
                run(command, &args, &folder)?;
                runs += 1;
            }
            Some(_) => println!("not run: {command}"),
            None => {}
        }
    }
    println!("README.md: {} commands, {runs} of them run", commands.len());
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| io(path, &error))
}

fn io(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{}: {error}", path.display()))
}

/// An empty folder with a copy of data/.
fn scratch() -> Result<std::path::PathBuf> {
    let folder = target_dir().join("readme");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(|error| io(&folder, &error))?;
    }
    let (from, to) = (root().join("data"), folder.join("data"));
    std::fs::create_dir_all(&to).map_err(|error| io(&to, &error))?;
    for entry in std::fs::read_dir(&from).map_err(|error| io(&from, &error))? {
        let entry = entry.map_err(|error| io(&from, &error))?;
        let copy = to.join(entry.file_name());
        std::fs::copy(entry.path(), &copy).map_err(|error| io(&copy, &error))?;
    }
    Ok(folder)
}

/// The program's arguments, `None` for a known command that is not the program's.
fn arguments(command: &str) -> Result<Option<Vec<&str>>> {
    if let Some(args) = PROGRAM.iter().find_map(|prefix| command.strip_prefix(prefix)) {
        return Ok(Some(args.split_whitespace().collect()));
    }
    if OTHERS.iter().any(|prefix| command.starts_with(prefix)) {
        return Ok(None);
    }
    Err(Failure::new(format!("README.md: unknown command `{command}`")))
}

/// Cheap, free of shell syntax, needs no GPU, and its input files exist.
fn runnable(args: &[&str], folder: &Path) -> bool {
    let plain =
        !args.iter().any(|arg| arg.contains(['|', '<', '>', '$', '*', '"', '\'', '&', ';']));
    let cheap = !matches!(args.first(), Some(&"bench" | &"verify"));
    let host = !args.iter().any(|arg| arg.starts_with("cuda"));
    let inputs = args.windows(2).all(|pair| {
        let input = matches!(pair[0], "--tokens" | "--router" | "--logits" | "--ids");
        !input || folder.join(pair[1]).exists()
    });
    plain && cheap && host && inputs
}

fn run(command: &str, args: &[&str], folder: &Path) -> Result<()> {
    let mut cargo: Command = cargo(["run", "--release", "--quiet", "--manifest-path"]);
    cargo.arg(root().join("Cargo.toml")).arg("--").args(args).current_dir(folder);
    cargo.stderr(std::process::Stdio::inherit());
    let output = cargo.output().map_err(|error| cannot_start(&cargo, &error))?;
    succeeded(&cargo, output.status)?;
    if output.stdout.trim_ascii().is_empty() {
        return Err(Failure::new(format!("`{command}` printed nothing")));
    }
    Ok(())
}

/// The commands in fenced sh, shell, bash and console blocks: comments and prompts removed,
/// continued lines joined.
fn shell_commands(markdown: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut block: Option<&str> = None;
    let mut pending = String::new();
    for line in markdown.lines().map(str::trim) {
        if let Some(info) = line.strip_prefix("```") {
            block = if block.is_some() { None } else { Some(info.trim()) };
            continue;
        }
        let line = match block {
            Some("sh" | "shell" | "bash") => line.strip_prefix("$ ").unwrap_or(line),
            Some("console") if pending.is_empty() => match line.strip_prefix("$ ") {
                Some(line) => line,
                None => continue,
            },
            Some("console") => line,
            _ => continue,
        };
        let line = without_comment(line);
        pending.push_str(line.trim_end_matches('\\').trim());
        if line.ends_with('\\') {
            pending.push(' ');
        } else if !pending.is_empty() {
            commands.push(std::mem::take(&mut pending));
        }
    }
    commands
}

fn without_comment(line: &str) -> &str {
    if line.starts_with('#') {
        return "";
    }
    line.split_once(" #").map_or(line, |(command, _)| command).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_come_from_shell_blocks_only() {
        let markdown = "cosmoe no\n```sh\n# comment\n$ cosmoe a  # why\ncosmoe b \\\n  --c d\n```\n\
                        ```rust\nlet no = 1;\n```\n```console\n$ cosmoe e\noutput\n```\n```\nno\n```\n";
        assert_eq!(shell_commands(markdown), ["cosmoe a", "cosmoe b --c d", "cosmoe e"]);
    }

    #[test]
    fn only_known_commands_pass() {
        let args = |command| arguments(command).map_err(|failure| failure.to_string());
        assert_eq!(args("cosmoe info --json"), Ok(Some(vec!["info", "--json"])));
        assert_eq!(args("cargo xtask lint"), Ok(None));
        assert_eq!(args("rm -r x"), Err("README.md: unknown command `rm -r x`".to_owned()));
    }

    #[test]
    fn commands_that_need_more_are_not_run() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let runs = |command: &str| runnable(&command.split(' ').collect::<Vec<_>>(), here);
        assert!(runs("route --top-k 2"));
        assert!(runs("plan --ids Cargo.toml --experts 4"));
        assert!(!runs("plan --ids absent.safetensors --experts 4"));
        assert!(!runs("route --top-k 2 --device cuda:0"));
        assert!(!runs("route --top-k 2 | head"));
        assert!(!runs("bench"));
    }
}
