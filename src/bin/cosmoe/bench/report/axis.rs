//! Logarithmic axes.

/// From values to places, both ends included.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    /// The values at both ends.
    values: (f64, f64),
    /// The places of those, in pixels.
    places: (f64, f64),
}

impl Axis {
    /// Whole decades that hold all of `values`, a third of a decade beyond the outermost.
    pub(super) fn around(values: impl Iterator<Item = f64>, places: (f64, f64)) -> Self {
        let (least, most) = values
            .filter(|value| value.is_finite() && *value > 0.0)
            .fold((f64::INFINITY, 0.0), |(least, most), v| (v.min(least), v.max(most)));
        if most == 0.0 {
            return Self { values: (1.0, 10.0), places };
        }
        let margin = 10_f64.powf(1.0 / 3.0);
        let low = 10_f64.powf((least / margin).log10().floor());
        let high = 10_f64.powf((most * margin).log10().ceil());
        Self { values: (low, high), places }
    }

    pub(super) fn at(&self, value: f64) -> f64 {
        let (low, high) = self.values;
        let share = (value / low).log10() / (high / low).log10();
        self.places.0 + share * (self.places.1 - self.places.0)
    }

    pub(super) fn values(&self) -> (f64, f64) {
        self.values
    }

    pub(super) fn places(&self) -> (f64, f64) {
        self.places
    }

    /// Powers of ten, as many as read well.
    pub(super) fn ticks(&self) -> impl Iterator<Item = f64> + use<> {
        let (low, high) = (self.values.0.log10().round(), self.values.1.log10().round());
        let step = ((high - low) / 8.0).ceil().max(1.0);
        let count = ((high - low) / step) as i32;
        (0..=count).map(move |i| 10_f64.powf(low + step * f64::from(i)))
    }
}

/// 0.01, 1, 10, 1 k, 2.25 P.
pub(super) fn label(value: f64) -> String {
    let units = [(1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    match units.into_iter().find(|(unit, _)| value >= unit * 0.999) {
        Some((unit, name)) => format!("{} {name}", significant(value / unit)),
        None if value >= 0.999 => format!("{}", value.round()),
        None => format!("{value}"),
    }
}

/// Up to three digits.
fn significant(value: f64) -> f64 {
    let scale = 10_f64.powf(2.0 - value.log10().floor());
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decades_hold_the_values() {
        let axis = Axis::around([3.0, 700.0].into_iter(), (0.0, 400.0));
        assert_eq!(axis.values(), (1.0, 10_000.0));
        assert_eq!((axis.at(1.0), axis.at(100.0), axis.at(10_000.0)), (0.0, 200.0, 400.0));
        let labels: Vec<String> = axis.ticks().map(label).collect();
        assert_eq!(labels, ["1", "10", "100", "1 k", "10 k"]);
        assert_eq!([0.1, 2.25e15, 113.4e9].map(label), ["0.1", "2.25 P", "113 G"]);
    }
}
