//! What the emulator provides to device code: `vprintf` and `__assertfail`.

use super::bytes::read;
use super::launch::Run;
use super::memory::offset32;
use super::step::At;
use super::{finding, lanes};
use crate::exec::program::Call;
use crate::exec::windows;
use crate::report::{Finding, Kind};

/// Bytes of a C string that are read at most.
const LONGEST: u64 = 64 * 1024;

impl Run<'_> {
    /// The 8- or 4-byte argument `i` of a call by lane.
    fn argument(&self, at: &At<'_>, call: &Call, i: usize, lane: usize) -> u64 {
        let base = at.warp.fragments[at.current].local_base;
        match call.arguments.get(i) {
            Some((offset, bytes)) if *bytes <= 8 => {
                at.warp.local.load(lane, base + offset, *bytes).0 as u64
            }
            _ => 0,
        }
    }

    /// `bytes` at a generic address, wherever they lie.
    fn peek(&self, at: &At<'_>, address: u64, bytes: u32, lane: usize) -> Option<u64> {
        let inside = |base: u64| (base..base + windows::SIZE).contains(&address);
        if inside(windows::LOCAL) {
            let offset = offset32(address - windows::LOCAL);
            let top = at.warp.fragments[at.current].local_top;
            return (u64::from(offset) + u64::from(bytes) <= u64::from(top))
                .then(|| at.warp.local.load(lane, offset, bytes).0 as u64);
        }
        if inside(windows::SHARED) {
            let offset = (address - windows::SHARED) as usize;
            return (offset + bytes as usize <= at.block.shared.len())
                .then(|| read(&at.block.shared, offset, bytes) as u64);
        }
        let offset = self.arena.bounds(address, u64::from(bytes))?;
        Some(read(self.arena.data(), offset, bytes) as u64)
    }

    fn text(&self, at: &At<'_>, address: u64, lane: usize) -> String {
        let bytes: Vec<u8> = (0..LONGEST)
            .map_while(|i| self.peek(at, address + i, 1, lane))
            .map(|byte| byte as u8)
            .take_while(|byte| *byte != 0)
            .collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// `vprintf(format, arguments)`: to standard output, lane by lane.
    pub(super) fn print(&mut self, at: &mut At<'_>, call: &Call, mask: u32) -> Result<(), Finding> {
        for lane in lanes(mask) {
            let format = self.text(at, self.argument(at, call, 0, lane), lane);
            let list = self.argument(at, call, 1, lane);
            let (text, arguments) = self.formatted(at, &format, list, lane);
            print!("{text}");
            let base = at.warp.fragments[at.current].local_base;
            if let Some((offset, bytes)) = call.returns.first() {
                // Unlike C's, which counts characters.
                at.warp.local.store(lane, base + offset, *bytes, u128::from(arguments));
            }
        }
        Ok(())
    }

    /// C's printf with the conversions that device code has; arguments lie in a row, each aligned to
    /// its size, floats as doubles.
    fn formatted(&self, at: &At<'_>, format: &str, list: u64, lane: usize) -> (String, u32) {
        let mut count = 0;
        let mut out = String::new();
        let mut offset = 0u64;
        let mut argument = |bytes: u64| {
            offset = offset.next_multiple_of(bytes);
            let value = self.peek(at, list.wrapping_add(offset), bytes as u32, lane).unwrap_or(0);
            offset += bytes;
            count += 1;
            value
        };
        let mut rest = format.chars().peekable();
        while let Some(c) = rest.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            let mut spec = Spec::default();
            while let Some(flag) = rest.next_if(|c| "-+ #0".contains(*c)) {
                spec.flags.push(flag);
            }
            let mut number = |rest: &mut std::iter::Peekable<std::str::Chars<'_>>| {
                if rest.next_if_eq(&'*').is_some() {
                    return Some(argument(4) as u32 as usize);
                }
                let mut value = None;
                while let Some(digit) = rest.next_if(char::is_ascii_digit) {
                    let digit = digit.to_digit(10).unwrap_or(0) as usize;
                    value = Some(value.unwrap_or(0) * 10 + digit);
                }
                value
            };
            spec.width = number(&mut rest).unwrap_or(0).min(4096);
            if rest.next_if_eq(&'.').is_some() {
                spec.precision = Some(number(&mut rest).unwrap_or(0).min(512));
            }
            let mut long = false;
            while let Some(size) = rest.next_if(|c| "hlLqjzt".contains(*c)) {
                long |= size != 'h';
            }
            let bytes = if long { 8 } else { 4 };
            match rest.next() {
                Some('d' | 'i') => {
                    let value = argument(bytes);
                    let value = if long { value as i64 } else { i64::from(value as i32) };
                    spec.signed(&mut out, value);
                }
                Some('u') => spec.pad(&mut out, argument(bytes).to_string()),
                Some('x') => spec.pad(&mut out, format!("{:x}", argument(bytes))),
                Some('X') => spec.pad(&mut out, format!("{:X}", argument(bytes))),
                Some('o') => spec.pad(&mut out, format!("{:o}", argument(bytes))),
                Some('c') => {
                    let c = char::from(argument(4) as u8);
                    spec.pad(&mut out, c.to_string());
                }
                Some('s') => {
                    let address = argument(8);
                    let mut text = self.text(at, address, lane);
                    if let Some(most) = spec.precision {
                        text = text.chars().take(most).collect();
                    }
                    spec.pad(&mut out, text);
                }
                Some('p') => {
                    let value = argument(8);
                    spec.pad(&mut out, format!("{value:#x}"));
                }
                Some('e' | 'E' | 'g' | 'G') => {
                    let value = f64::from_bits(argument(8));
                    let digits = spec.precision.unwrap_or(6);
                    spec.pad(&mut out, format!("{value:.digits$e}"));
                }
                Some('f' | 'F' | 'a' | 'A') => {
                    let value = f64::from_bits(argument(8));
                    let digits = spec.precision.unwrap_or(6);
                    spec.pad(&mut out, format!("{value:.digits$}"));
                }
                Some('%') => out.push('%'),
                Some(other) => {
                    out.push('%');
                    out.push(other);
                }
                None => out.push('%'),
            }
        }
        (out, count)
    }

    /// `__assertfail(message, file, line, function, charSize)`
    pub(super) fn assert_fail(&self, at: &At<'_>, call: &Call, mask: u32) -> Finding {
        let lane = mask.trailing_zeros() as usize;
        let text = |i| self.text(at, self.argument(at, call, i, lane), lane);
        let line = self.argument(at, call, 2, lane) as u32;
        let detail = format!("{}:{line}: {}: assertion `{}` failed", text(1), text(3), text(0));
        finding(Kind::Assertion, lane as u32, detail)
    }
}

#[derive(Debug, Default)]
struct Spec {
    flags: String,
    width: usize,
    precision: Option<usize>,
}

impl Spec {
    fn signed(&self, out: &mut String, value: i64) {
        let sign = if value < 0 {
            "-"
        } else if self.flags.contains('+') {
            "+"
        } else if self.flags.contains(' ') {
            " "
        } else {
            ""
        };
        self.pad(out, format!("{sign}{}", value.unsigned_abs()));
    }

    fn pad(&self, out: &mut String, text: String) {
        let missing = self.width.saturating_sub(text.chars().count());
        if self.flags.contains('-') {
            out.push_str(&text);
            out.extend(std::iter::repeat_n(' ', missing));
        } else if self.flags.contains('0') {
            let signed = text.starts_with(['-', '+']);
            let (sign, digits) = text.split_at(usize::from(signed));
            out.push_str(sign);
            out.extend(std::iter::repeat_n('0', missing));
            out.push_str(digits);
        } else {
            out.extend(std::iter::repeat_n(' ', missing));
            out.push_str(&text);
        }
    }
}
