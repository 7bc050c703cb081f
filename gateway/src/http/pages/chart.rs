//! Pictures of the recent past: areas and lines as SVG paths, with the table that says the same in numbers.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::figures::Clock;
use super::words::Words;
use crate::timeline::{Span, Step};

/// The height of a picture in its own units; the width is one for each step.
const HEIGHT: f64 = 1000.0;
/// Rows of the table behind a picture.
const ROWS: usize = 12;

/// The steps of a span that end at a moment, one for each place, also where nothing was sampled.
pub(super) struct Window<'a> {
    pub(super) span: Span,
    first: i64,
    steps: Vec<Option<&'a Step>>,
}

impl<'a> Window<'a> {
    /// The steps that have ended before `now`.
    pub(super) fn new(span: Span, steps: impl Iterator<Item = &'a Step>, now: Timestamp) -> Self {
        let first = span.number(now) - i64::try_from(span.steps()).unwrap_or(i64::MAX);
        let mut places = vec![None; span.steps()];
        for step in steps {
            let place = usize::try_from(step.number - first).ok();
            if let Some(place) = place.and_then(|place| places.get_mut(place)) {
                *place = Some(step);
            }
        }
        Self { span, first, steps: places }
    }

    /// What `value` says of each step.
    pub(super) fn values(&self, value: impl Fn(&Step) -> Option<f64>) -> Vec<Option<f64>> {
        self.steps.iter().map(|step| step.and_then(&value)).collect()
    }

    /// When a step began.
    fn begins(&self, place: usize) -> Timestamp {
        let number = self.first + i64::try_from(place).unwrap_or_default();
        Timestamp::from_second(number * self.span.step_s()).unwrap_or_default()
    }
}

/// A row of values to draw.
pub(super) struct Series {
    /// What it is, in words.
    pub(super) label: String,
    /// Its class in the style sheet, which gives its colour.
    pub(super) class: String,
    /// The path of its line or area.
    pub(super) path: String,
    /// What stands beside its name.
    pub(super) figure: String,
}

/// A picture with everything that is written around it.
pub(super) struct Chart {
    /// Names its parts on the page.
    pub(super) id: &'static str,
    pub(super) title: String,
    /// The picture in one sentence.
    pub(super) description: String,
    /// The largest x of the picture's own units.
    pub(super) width: usize,
    pub(super) filled: bool,
    pub(super) series: Vec<Series>,
    /// From the top down.
    pub(super) scale: [String; 3],
    /// From left to right.
    pub(super) times: [String; 3],
    /// A time, and each series' value in the order of `series`.
    pub(super) table: Vec<(String, Vec<String>)>,
}

/// What a chart is made of.
pub(super) struct Line {
    pub(super) label: String,
    pub(super) class: String,
    pub(super) figure: String,
    pub(super) values: Vec<Option<f64>>,
}

/// Who reads a chart, and where its values come from.
pub(super) struct Frame<'a> {
    pub(super) words: &'static Words,
    pub(super) clock: &'a Clock,
    pub(super) window: &'a Window<'a>,
}

impl Frame<'_> {
    /// Areas, one upon the other, the first at the bottom; `write` writes a value with its unit.
    pub(super) fn areas(
        &self,
        id: &'static str,
        title: &str,
        lines: Vec<Line>,
        write: impl Fn(f64) -> String,
    ) -> Chart {
        let mut ground = vec![0.0; self.window.steps.len()];
        let tops: Vec<Vec<f64>> = lines
            .iter()
            .map(|line| {
                for (ground, value) in ground.iter_mut().zip(&line.values) {
                    *ground += value.unwrap_or(0.0);
                }
                ground.clone()
            })
            .collect();
        let scale = nice(highest(&ground).map_or(0.0, |(_, value)| value));
        let mut below = vec![0.0; ground.len()];
        let mut series = Vec::new();
        for (line, top) in lines.iter().zip(tops) {
            series.push(Series { path: area(&below, &top, scale), ..Series::of(line) });
            below = top;
        }
        let ground = ground.into_iter().map(Some).collect::<Vec<_>>();
        self.chart(id, title, true, series, scale, &lines, &ground, write)
    }

    /// Lines, each for itself.
    pub(super) fn lines(
        &self,
        id: &'static str,
        title: &str,
        lines: Vec<Line>,
        write: impl Fn(f64) -> String,
    ) -> Chart {
        let all = lines.iter().flat_map(|line| line.values.iter().flatten()).copied();
        let scale = nice(all.fold(0.0, f64::max));
        let series: Vec<Series> =
            lines.iter().map(|line| Series { path: path(&line.values, scale), ..Series::of(line) }).collect();
        let last = lines.last().map(|line| line.values.clone()).unwrap_or_default();
        self.chart(id, title, false, series, scale, &lines, &last, write)
    }

    #[expect(clippy::too_many_arguments, reason = "what both kinds of chart have worked out")]
    fn chart(
        &self,
        id: &'static str,
        title: &str,
        filled: bool,
        series: Vec<Series>,
        scale: f64,
        lines: &[Line],
        described: &[Option<f64>],
        write: impl Fn(f64) -> String,
    ) -> Chart {
        let places = self.window.steps.len();
        let times = [0, places / 2, places].map(|place| self.clock.minute(self.window.begins(place)));
        let values: Vec<f64> = described.iter().map(|value| value.unwrap_or(0.0)).collect();
        let words = &self.words.dashboard;
        let description = match highest(&values) {
            Some((place, value)) => {
                let at = self.clock.minute(self.window.begins(place));
                format!("{}-{}. {}: {}, {at}.", times[0], times[2], words.highest, write(value))
            }
            None => format!("{}-{}. {}", times[0], times[2], words.nothing),
        };
        Chart {
            id,
            title: title.to_owned(),
            description,
            width: places.saturating_sub(1),
            filled,
            series,
            scale: [scale, scale / 2.0, 0.0].map(&write),
            times,
            table: self.table(lines, write),
        }
    }

    /// Means of as many steps as make [`ROWS`] rows, the latest first.
    fn table(&self, lines: &[Line], write: impl Fn(f64) -> String) -> Vec<(String, Vec<String>)> {
        let places = self.window.steps.len();
        let each = places.div_ceil(ROWS).max(1);
        let mut rows = Vec::new();
        for begins in (0..places).step_by(each).rev() {
            let mean = |line: &Line| {
                let values: Vec<f64> =
                    line.values.iter().skip(begins).take(each).flatten().copied().collect();
                match values.len() {
                    0 => "–".to_owned(),
                    count => write(values.iter().sum::<f64>() / count as f64),
                }
            };
            rows.push((self.clock.minute(self.window.begins(begins)), lines.iter().map(mean).collect()));
        }
        rows
    }
}

impl Series {
    fn of(line: &Line) -> Self {
        Self {
            label: line.label.clone(),
            class: line.class.clone(),
            path: String::new(),
            figure: line.figure.clone(),
        }
    }
}

/// The place and value of the highest; `None` if all are nothing.
fn highest(values: &[f64]) -> Option<(usize, f64)> {
    let mut values = values.iter().copied().enumerate().filter(|&(_, value)| value > 0.0);
    let first = values.next()?;
    Some(values.fold(first, |best, next| if next.1 > best.1 { next } else { best }))
}

/// The top of a scale that holds `value`: 1, 2 or 5 times a power of ten, so that its half is easy to read too.
fn nice(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let ten = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 4.0, 6.0, 8.0, 10.0]
        .into_iter()
        .map(|times| times * ten)
        .find(|&top| top >= value)
        .unwrap_or(10.0 * ten)
}

fn y(value: f64, scale: f64) -> i64 {
    (HEIGHT - value / scale * HEIGHT).round().clamp(0.0, HEIGHT) as i64
}

/// The area between two rows of values.
fn area(below: &[f64], above: &[f64], scale: f64) -> String {
    let mut path = String::new();
    let forth = above.iter().enumerate();
    let back = below.iter().enumerate().rev();
    for (x, &value) in forth.chain(back) {
        // Writing to a String cannot fail.
        let _ = write!(path, "{}{x} {}", if path.is_empty() { 'M' } else { 'L' }, y(value, scale));
    }
    path.push('Z');
    path
}

/// A line through the values that are there.
fn path(values: &[Option<f64>], scale: f64) -> String {
    let mut path = String::new();
    let mut pen = false;
    for (x, value) in values.iter().enumerate() {
        if let Some(value) = value {
            let _ = write!(path, "{}{x} {}", if pen { 'L' } else { 'M' }, y(*value, scale));
            if !pen {
                // A value without neighbours is a dot.
                path.push_str("h0");
            }
        }
        pen = value.is_some();
    }
    path
}

/// A small picture of a row of values, drawn to its own height.
pub(super) fn spark(values: &[Option<f64>]) -> String {
    let values: Vec<f64> = values.iter().map(|value| value.unwrap_or(0.0)).collect();
    let scale = highest(&values).map_or(1.0, |(_, value)| value);
    area(&vec![0.0; values.len()], &values, scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_ends_at_a_number_that_people_read() {
        let tops = [0.0, 0.3, 1.0, 1.1, 2.5, 7.0, 9.0, 4321.0].map(nice);
        let expected = [1.0, 0.4, 1.0, 2.0, 4.0, 8.0, 10.0, 6000.0];
        assert!(tops.iter().zip(expected).all(|(top, expected)| (top - expected).abs() < 1e-9), "{tops:?}");
    }

    #[test]
    fn an_area_goes_forth_above_and_back_below() {
        assert_eq!(area(&[0.0, 1.0], &[1.0, 2.0], 2.0), "M0 500L1 0L1 500L0 1000Z");
    }

    #[test]
    fn a_line_has_gaps_where_nothing_was_measured() {
        assert_eq!(path(&[Some(0.0), Some(1.0), None, Some(2.0)], 2.0), "M0 1000h0L1 500M3 0h0");
    }
}
