//! What the environment says the emulated devices are: `CUDA_EMULATOR_*`.

use std::path::PathBuf;

use crate::config::{Config, MmaModel};

/// Prefix of every variable.
pub(crate) const PREFIX: &str = "CUDA_EMULATOR_";

/// Emulated devices and what is written about them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    /// How many there are.
    pub(crate) devices: u32,
    /// What `cuDriverGetVersion` says: 1000 times the major version and 10 times the minor one.
    pub(crate) driver_version: u32,
    /// What each of them is.
    pub(crate) config: Config,
    /// Bytes of shared memory a block may opt in to, if less than the capability allows.
    pub(crate) shared_limit: Option<u32>,
    /// A file that gets one JSON object a launch.
    pub(crate) counts: Option<PathBuf>,
    /// A file that gets every report.
    pub(crate) report: Option<PathBuf>,
}

/// A variable.
struct Key {
    name: &'static str,
    /// May be changed while devices exist.
    live: bool,
    set: fn(&mut Settings, &str) -> Option<()>,
    expected: &'static str,
}

const KEYS: &[Key] = &[
    Key {
        name: "DEVICES",
        live: false,
        set: |s, v| number(v, 0, 16).map(|n| s.devices = n as u32),
        expected: "0 to 16",
    },
    Key {
        name: "DRIVER_VERSION",
        live: false,
        set: |s, v| {
            let (major, minor) = v.split_once('.')?;
            let (major, minor) = (number(major, 1, 99)?, number(minor, 0, 99)?);
            s.driver_version = (major * 1000 + minor * 10) as u32;
            Some(())
        },
        expected: "a version such as 13.0",
    },
    Key {
        name: "CAPABILITY",
        live: false,
        set: |s, v| {
            let at = CAPABILITIES.iter().find(|(major, minor)| v == format!("{major}.{minor}"))?;
            s.config.capability = *at;
            s.config.mma = if at.0 >= 9 { MmaModel::Hopper } else { MmaModel::Ampere };
            Some(())
        },
        expected: "8.0, 8.6, 8.9, 9.0, 10.0 or 12.0",
    },
    Key {
        name: "MEMORY",
        live: false,
        set: |s, v| bytes(v).filter(|n| *n >= 1 << 20).map(|n| s.config.memory = n),
        expected: "bytes, with K, M or G, at least 1M",
    },
    Key {
        name: "MULTIPROCESSORS",
        live: false,
        set: |s, v| number(v, 1, 1024).map(|n| s.config.multiprocessors = n as u32),
        expected: "1 to 1024",
    },
    Key {
        name: "SHARED_LIMIT",
        live: true,
        set: |s, v| {
            let limit = bytes(v).filter(|n| (48 << 10..=227 << 10).contains(n))?;
            s.shared_limit = Some(limit as u32);
            Some(())
        },
        expected: "48K to 227K",
    },
    Key {
        name: "MMA",
        live: true,
        set: |s, v| {
            s.config.mma = match v {
                "ampere" => MmaModel::Ampere,
                "hopper" => MmaModel::Hopper,
                _ => return None,
            };
            Some(())
        },
        expected: "ampere or hopper",
    },
    Key {
        name: "CHECKS",
        live: true,
        set: |s, v| switch(v).map(|on| s.config.checks = on),
        expected: "on or off",
    },
    Key {
        name: "MEMORY_COUNTS",
        live: true,
        set: |s, v| switch(v).map(|on| s.config.counts = on),
        expected: "on or off",
    },
    Key {
        name: "SEED",
        live: true,
        set: |s, v| number(v, 0, u64::MAX).map(|n| s.config.seed = n),
        expected: "a number",
    },
    Key {
        name: "BUDGET",
        live: true,
        set: |s, v| number(v, 1, u64::MAX).map(|n| s.config.budget = n),
        expected: "a number of warp instructions above 0",
    },
    Key {
        name: "RESIDENT",
        live: true,
        set: |s, v| number(v, 0, u64::from(u32::MAX)).map(|n| s.config.resident_blocks = n as u32),
        expected: "a number of blocks, 0 for as many as fit",
    },
    Key {
        name: "COUNTS",
        live: true,
        set: |s, v| {
            s.counts = path(v);
            Some(())
        },
        expected: "a path",
    },
    Key {
        name: "REPORT",
        live: true,
        set: |s, v| {
            s.report = path(v);
            Some(())
        },
        expected: "a path",
    },
];

/// Capabilities that can be emulated: they run what is built for compute_80.
const CAPABILITIES: [(u32, u32); 6] = [(8, 0), (8, 6), (8, 9), (9, 0), (10, 0), (12, 0)];

impl Default for Settings {
    fn default() -> Self {
        Self {
            devices: 1,
            driver_version: 13_000,
            config: Config::default(),
            shared_limit: None,
            counts: None,
            report: None,
        }
    }
}

impl Settings {
    /// Reads the variables that `get` knows, in the order of the table: a capability chooses how
    /// mma rounds unless that is said too.
    pub(crate) fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let mut settings = Self::default();
        for key in KEYS {
            let name = format!("{PREFIX}{}", key.name);
            if let Some(value) = get(&name) {
                settings.put(key, &name, &value)?;
            }
        }
        Ok(settings)
    }

    /// That every variable with the prefix is one of the table: a misspelt one would be ignored.
    pub(crate) fn check_names(names: impl IntoIterator<Item = String>) -> Result<(), String> {
        for name in names {
            let Some(short) = name.strip_prefix(PREFIX) else { continue };
            if !KEYS.iter().any(|key| key.name == short) {
                let known: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
                return Err(format!("{name}: expected {PREFIX} and one of {}", known.join(", ")));
            }
        }
        Ok(())
    }

    /// Changes a value while devices exist. The key is a variable's name, with or without prefix,
    /// in any case.
    pub(crate) fn change(&mut self, key: &str, value: &str) -> Result<(), String> {
        let upper = key.to_ascii_uppercase();
        let short = upper.strip_prefix(PREFIX).unwrap_or(&upper);
        match KEYS.iter().find(|key| key.name == short) {
            Some(found) if found.live => self.put(found, key, value),
            Some(_) => Err(format!("{key} cannot change while devices exist")),
            None => Err(format!("there is no setting {key}")),
        }
    }

    fn put(&mut self, key: &Key, name: &str, value: &str) -> Result<(), String> {
        let expected = key.expected;
        (key.set)(self, value)
            .ok_or_else(|| format!("{name}: expected {expected}, found '{value}'"))
    }
}

fn number(text: &str, least: u64, most: u64) -> Option<u64> {
    text.parse().ok().filter(|n| (least..=most).contains(n))
}

fn bytes(text: &str) -> Option<u64> {
    let (digits, shift) = match text.as_bytes().last()? {
        b'K' | b'k' => (&text[..text.len() - 1], 10),
        b'M' | b'm' => (&text[..text.len() - 1], 20),
        b'G' | b'g' => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

fn switch(text: &str) -> Option<bool> {
    match text {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| PathBuf::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, String> {
        Settings::read(|name| {
            let found = variables.iter().find(|(key, _)| name == format!("{PREFIX}{key}"));
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn every_variable_is_read() {
        let all = read(&[
            ("DEVICES", "2"),
            ("DRIVER_VERSION", "12.8"),
            ("CAPABILITY", "9.0"),
            ("MEMORY", "3G"),
            ("MULTIPROCESSORS", "4"),
            ("SHARED_LIMIT", "99K"),
            ("CHECKS", "off"),
            ("MEMORY_COUNTS", "off"),
            ("SEED", "7"),
            ("BUDGET", "1000"),
            ("RESIDENT", "1"),
            ("COUNTS", "counts.jsonl"),
            ("REPORT", "report.txt"),
        ]);
        let expected = Settings {
            devices: 2,
            driver_version: 12_080,
            config: Config {
                ordinal: 0,
                capability: (9, 0),
                multiprocessors: 4,
                memory: 3 << 30,
                mma: MmaModel::Hopper,
                checks: false,
                counts: false,
                seed: 7,
                budget: 1000,
                resident_blocks: 1,
            },
            shared_limit: Some(99 << 10),
            counts: Some("counts.jsonl".into()),
            report: Some("report.txt".into()),
        };
        assert_eq!(all, Ok(expected));
        let mma = read(&[("CAPABILITY", "9.0"), ("MMA", "ampere")]);
        assert_eq!(mma.map(|settings| settings.config.mma), Ok(MmaModel::Ampere));
    }

    #[test]
    fn wrong_values_are_refused_with_the_variable() {
        for (key, value) in [
            ("DEVICES", "17"),
            ("DRIVER_VERSION", "13000"),
            ("CAPABILITY", "7.5"),
            ("CAPABILITY", "8"),
            ("SEED", "-1"),
            ("CHECKS", "yes"),
            ("MMA", "volta"),
            ("BUDGET", "0"),
            ("MEMORY", "99999999999G"),
            ("MEMORY", ""),
            ("SHARED_LIMIT", "228K"),
        ] {
            let error = read(&[(key, value)]).expect_err(key);
            assert!(error.starts_with(&format!("{PREFIX}{key}: expected ")), "{error}");
            assert!(error.ends_with(&format!("found '{value}'")), "{error}");
        }
    }

    #[test]
    fn misspelt_variables_are_refused() {
        let check = |name: &str| Settings::check_names([name.to_owned(), "PATH".to_owned()]);
        assert_eq!(check("CUDA_EMULATOR_SEED"), Ok(()));
        assert_eq!(check("CUDA_EMULATOR"), Ok(()));
        let error = check("CUDA_EMULATOR_SEEDS").expect_err("a misspelt name");
        assert!(error.starts_with("CUDA_EMULATOR_SEEDS: expected"), "{error}");
    }

    #[test]
    fn some_settings_change_later() {
        let mut settings = Settings::default();
        assert_eq!(settings.change("seed", "5"), Ok(()));
        assert_eq!(settings.change("CUDA_EMULATOR_CHECKS", "off"), Ok(()));
        assert_eq!((settings.config.seed, settings.config.checks), (5, false));
        assert!(settings.change("memory", "1G").is_err());
        assert!(settings.change("sead", "5").is_err());
        assert!(settings.change("seed", "five").is_err());
    }
}
