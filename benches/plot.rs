//! Line charts as SVG.

use std::fmt::Write;

/// One chart. All charts of a figure have the same size.
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) unit: &'static str,
    /// The greatest time in seconds and the greatest value that are shown; lines are cut off there.
    pub(crate) limits: (f64, f64),
    /// Points of time in seconds and value.
    pub(crate) lines: Vec<Vec<(f64, f64)>>,
}

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 240.0;
/// Around each panel, for its title and the labels of its axes.
const MARGIN: f64 = 52.0;
const HEADER: f64 = 34.0;
const LEGEND: f64 = 30.0;
const STEPS: u32 = 5;

/// Colours that can be told apart by most people who see few colours (Okabe and Ito), and grey.
const COLOURS: [&str; 8] = [
    "#000000", "#e69f00", "#56b4e9", "#009e73", "#888888", "#0072b2", "#d55e00", "#cc79a7",
];

/// Panels in two columns, row by row, with the lines' names once below.
pub(crate) fn figure(title: &str, names: &[String], panels: &[Panel]) -> String {
    let rows = panels.len().div_ceil(2) as f64;
    let (width, height) = (
        2.0 * (WIDTH + 1.5 * MARGIN),
        HEADER + rows * (HEIGHT + 1.5 * MARGIN) + LEGEND,
    );
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="{}" y="24" text-anchor="middle" font-size="16">{title}</text>
"##,
        width / 2.0
    );
    for (index, panel) in panels.iter().enumerate() {
        let left = MARGIN * 1.2 + (index % 2) as f64 * (WIDTH + 1.5 * MARGIN);
        let top = HEADER + 0.75 * MARGIN + (index / 2) as f64 * (HEIGHT + 1.5 * MARGIN);
        let _ = writeln!(svg, r#"<g transform="translate({left} {top})">"#);
        draw(&mut svg, panel);
        svg.push_str("</g>\n");
    }
    for (index, name) in names.iter().enumerate() {
        let x = MARGIN / 2.0 + index as f64 * (width - MARGIN / 2.0) / names.len() as f64;
        let y = height - LEGEND / 2.0;
        let colour = COLOURS[index % COLOURS.len()];
        let _ = writeln!(
            svg,
            r#"<path d="M{x} {} h20" stroke="{colour}" stroke-width="3"/><text x="{}" y="{y}">{name}</text>"#,
            y - 4.0,
            x + 26.0
        );
    }
    svg + "</svg>\n"
}

fn draw(svg: &mut String, panel: &Panel) {
    let (last_second, top) = panel.limits;
    let _ = writeln!(
        svg,
        r#"<text x="{}" y="-12" text-anchor="middle" font-weight="bold">{}</text><text x="-46" y="-12">{}</text>"#,
        WIDTH / 2.0,
        panel.title,
        panel.unit
    );
    for step in 0..=STEPS {
        let part = f64::from(step) / f64::from(STEPS);
        let (x, y) = (WIDTH * part, HEIGHT * (1.0 - part));
        let _ = writeln!(
            svg,
            r##"<path d="M0 {y:.1} H{WIDTH}" stroke="#dddddd"/><text x="-6" y="{:.1}" text-anchor="end">{}</text>
<text x="{x:.1}" y="{}" text-anchor="middle">{} s</text>"##,
            y + 4.0,
            label(top * part),
            HEIGHT + 18.0,
            label(last_second * part)
        );
    }
    for (line, colour) in panel.lines.iter().zip(COLOURS.iter().cycle()) {
        let points = line
            .iter()
            .filter(|(time, _)| *time <= last_second)
            .map(|(time, value)| {
                let y = HEIGHT * (1.0 - (value / top).min(1.0));
                format!("{:.1},{y:.1}", WIDTH * time / last_second)
            });
        let points: Vec<_> = points.collect();
        let _ = writeln!(
            svg,
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="1.6"/>"#,
            points.join(" ")
        );
    }
}

/// A number with at most two decimals.
fn label(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
