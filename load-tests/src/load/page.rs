//! The report of a run: figures.json, and report.html with two charts that needs nothing else.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::figures::Figures;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 240.0;
/// Room for the labels of the axes.
const LEFT: f64 = 80.0;
const BOTTOM: f64 = 30.0;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse}th,td{padding:.15rem 1rem .15rem 0;text-align:left}td{text-align:right}\
svg{width:100%;height:auto}text{font:12px system-ui,sans-serif;fill:currentColor}\
path{fill:none;stroke:#0b62a4;stroke-width:2}line{stroke:#8888}";

/// Writes both files into `dir`, which is made if it is not there.
pub(crate) fn write(dir: &Path, figures: &Figures) -> anyhow::Result<()> {
    fs::create_dir_all(dir)?;
    fs::write(dir.join("figures.json"), serde_json::to_string_pretty(figures)? + "\n")?;
    fs::write(dir.join("report.html"), html(figures))?;
    Ok(())
}

fn html(figures: &Figures) -> String {
    let mut rows = String::new();
    for (name, value) in figures.rows() {
        let _ = write!(rows, "<tr><th>{}</th><td>{}</td></tr>", escape(&name), escape(&value));
    }
    // By nines: 90, 99 and 99.9 % are equally far apart.
    let nines = |percentile: f64| -(1.0 - percentile.min(99.995) / 100.0).log10();
    let curve: Vec<_> =
        figures.curves.valid.iter().map(|&(percentile, ms)| (nines(percentile), ms)).collect();
    let marks =
        [0.0, 50.0, 90.0, 99.0, 99.9, 99.99].map(|percentile| (nines(percentile), format!("{percentile} %")));
    let timeline: Vec<_> =
        figures.timeline.iter().map(|moment| (moment.at, moment.replies_per_second)).collect();
    let last = timeline.last().map_or(1.0, |&(at, _)| at.max(0.25));
    let seconds = [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| (share * last, format!("{:.1} s", share * last)));
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Icaze: load report</title><style>{STYLE}</style>\n\
         <h1>Load report: {target}</h1>\n<p><code>{command}</code><br>{machine}</p>\n<table>{rows}</table>\n\
         <h2>Replies/s</h2>\n{throughput}\n<h2>Latency in ms, by percentile</h2>\n{latency}\n</html>\n",
        target = escape(&figures.target),
        command = escape(&figures.command),
        machine = escape(&figures.machine),
        throughput = chart(&timeline, &seconds),
        latency = chart(&curve, &marks),
    )
}

/// A line through `points`, with `marks` below it.
fn chart(points: &[(f64, f64)], marks: &[(f64, String)]) -> String {
    let right =
        marks.iter().map(|&(x, _)| x).chain(points.iter().map(|&(x, _)| x)).fold(f64::MIN_POSITIVE, f64::max);
    let top = points.iter().map(|&(_, y)| y).fold(f64::MIN_POSITIVE, f64::max);
    let x = |value: f64| LEFT + value / right * (WIDTH - LEFT - 40.0);
    let y = |value: f64| HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - 10.0);
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">");
    for share in [0.0, 0.5, 1.0] {
        let (at, value) = (y(share * top), share * top);
        let _ = write!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{value:.*}</text>",
            LEFT - 8.0,
            at + 4.0,
            if top < 100.0 { 2 } else { 0 },
        );
    }
    for (value, label) in marks {
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
            x(*value),
            HEIGHT - 8.0
        );
    }
    svg.push_str("<path d=\"");
    for (index, &(at, value)) in points.iter().enumerate() {
        let _ = write!(svg, "{}{:.1} {:.1}", if index == 0 { 'M' } else { 'L' }, x(at), y(value));
    }
    svg + "\"/></svg>"
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_spans_its_points() {
        let svg = chart(&[(0.0, 0.0), (1.0, 50.0), (2.0, 100.0)], &[(0.0, "0".to_owned())]);
        assert!(svg.contains("<path d=\"M80.0 210.0L380.0 110.0L680.0 10.0\"/>"), "{svg}");
        assert!(svg.contains(">100</text>"), "{svg}");
        assert!(!chart(&[], &[]).contains("NaN"));
        assert_eq!(escape("a<b>&"), "a&lt;b&gt;&amp;");
    }
}
