//! Line charts as SVG.

use std::fmt::Write;

/// One chart. All charts of a figure have the same size.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What it shows.
    pub title: String,
    /// From left to right.
    pub x: Axis,
    /// From the bottom to the top.
    pub y: Axis,
    /// Points of x and y, a line for each name of the figure. What lies beyond the axes is cut off.
    pub lines: Vec<Vec<(f64, f64)>>,
    /// Whether each point is marked, because the lines between them are only drawn.
    pub marks: bool,
}

/// What stands along one side of a chart.
#[derive(Clone, Debug)]
pub struct Axis {
    label: String,
    logarithmic: bool,
    from: f64,
    to: f64,
    /// Where there is a line across, and what is written at it.
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// From 0 to the next round number above `highest`, in fifths.
    #[must_use]
    pub fn linear(label: &str, highest: f64) -> Self {
        const STEPS: u32 = 5;
        let to = round_up(highest);
        let tick = |step: u32| {
            let value = to * f64::from(step) / f64::from(STEPS);
            (value, short(value))
        };
        Self {
            label: label.to_owned(),
            logarithmic: false,
            from: 0.0,
            to,
            ticks: (0..=STEPS).map(tick).collect(),
        }
    }

    /// Logarithmic, through these values and with these words at them, at least two.
    ///
    /// # Panics
    /// When there are none.
    #[must_use]
    pub fn logarithmic(label: &str, ticks: Vec<(f64, String)>) -> Self {
        let values = || ticks.iter().map(|(value, _)| *value);
        Self {
            label: label.to_owned(),
            logarithmic: true,
            from: values().reduce(f64::min).expect("an axis has ticks"),
            to: values().reduce(f64::max).expect("an axis has ticks"),
            ticks,
        }
    }

    /// Logarithmic, over the powers of ten around `values`.
    ///
    /// # Panics
    /// When there are no values above zero.
    #[must_use]
    pub fn decades(label: &str, values: &[f64]) -> Self {
        let logarithms = || values.iter().filter(|value| **value > 0.0).map(|value| value.log10());
        let lowest = logarithms().reduce(f64::min).expect("something is shown").floor();
        let highest = logarithms().reduce(f64::max).expect("something is shown").ceil();
        let powers = lowest as i32..=(highest as i32).max(lowest as i32 + 1);
        let ticks = powers.map(|power| (10_f64.powi(power), short(10_f64.powi(power))));
        Self::logarithmic(label, ticks.collect())
    }

    /// Where a value lies: 0 at the beginning, 1 at the end.
    fn place(&self, value: f64) -> f64 {
        let scale = |value: f64| if self.logarithmic { value.ln() } else { value };
        (scale(value) - scale(self.from)) / (scale(self.to) - scale(self.from))
    }
}

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 240.0;
/// Around each panel, for its title and the labels of its axes.
const MARGIN: f64 = 56.0;
const HEADER: f64 = 34.0;
const LEGEND_LINE: f64 = 22.0;
/// How many names stand in one line.
const NAMES_PER_LINE: usize = 4;

/// Colours that can be told apart by most people who see few colours (Okabe and Ito), and grey.
const COLOURS: [&str; 8] = [
    "#000000", "#e69f00", "#56b4e9", "#009e73", "#888888", "#0072b2", "#d55e00", "#cc79a7",
];

/// Panels in two columns, row by row, with the lines' names once below.
#[must_use]
pub fn figure(title: &str, names: &[String], panels: &[Panel]) -> String {
    let rows = panels.len().div_ceil(2) as f64;
    let legend = names.len().div_ceil(NAMES_PER_LINE) as f64 * LEGEND_LINE;
    let (row_height, width) = (HEIGHT + 1.75 * MARGIN, 2.0 * (WIDTH + 1.6 * MARGIN));
    let height = HEADER + rows * row_height + legend + LEGEND_LINE / 2.0;
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="{}" y="24" text-anchor="middle" font-size="16">{title}</text>
"##,
        width / 2.0
    );
    for (index, panel) in panels.iter().enumerate() {
        let left = MARGIN * 1.2 + (index % 2) as f64 * (WIDTH + 1.5 * MARGIN);
        let top = HEADER + 0.75 * MARGIN + (index / 2) as f64 * row_height;
        let _ = writeln!(svg, r#"<g transform="translate({left:.1} {top:.1})">"#);
        draw(&mut svg, panel);
        svg.push_str("</g>\n");
    }
    for (index, name) in names.iter().enumerate() {
        let x = MARGIN * 1.2 + (index % NAMES_PER_LINE) as f64 * (width - MARGIN) / NAMES_PER_LINE as f64;
        let y = height - legend + (index / NAMES_PER_LINE) as f64 * LEGEND_LINE;
        let colour = COLOURS[index % COLOURS.len()];
        let _ = writeln!(
            svg,
            r#"<path d="M{x:.1} {:.1} h20" stroke="{colour}" stroke-width="3"/><text x="{:.1}" y="{y:.1}">{name}</text>"#,
            y - 4.0,
            x + 26.0
        );
    }
    svg + "</svg>\n"
}

fn draw(svg: &mut String, panel: &Panel) {
    let Panel { title, x, y, .. } = panel;
    let _ = writeln!(
        svg,
        r#"<text x="{}" y="-12" text-anchor="middle" font-weight="bold">{title}</text><text x="-46" y="-12">{}</text>
<text x="{}" y="{}" text-anchor="middle">{}</text>"#,
        WIDTH / 2.0,
        y.label,
        WIDTH / 2.0,
        HEIGHT + 36.0,
        x.label,
    );
    for (value, text) in &y.ticks {
        let place = HEIGHT * (1.0 - y.place(*value));
        let _ = writeln!(
            svg,
            r##"<path d="M0 {place:.1} H{WIDTH}" stroke="#dddddd"/><text x="-6" y="{:.1}" text-anchor="end">{text}</text>"##,
            place + 4.0
        );
    }
    for (value, text) in &x.ticks {
        let place = WIDTH * x.place(*value);
        let _ = writeln!(
            svg,
            r##"<path d="M{place:.1} {HEIGHT} v4" stroke="#888888"/><text x="{place:.1}" y="{}" text-anchor="middle">{text}</text>"##,
            HEIGHT + 18.0
        );
    }
    for (line, colour) in panel.lines.iter().zip(COLOURS.iter().cycle()) {
        let places = line.iter().filter(|(at, _)| (0.0..=1.0).contains(&x.place(*at)));
        let places: Vec<(f64, f64)> = places
            .map(|(at, value)| (WIDTH * x.place(*at), HEIGHT * (1.0 - y.place(*value).clamp(0.0, 1.0))))
            .collect();
        let points: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            svg,
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="1.6"/>"#,
            points.join(" ")
        );
        for (x, y) in places.iter().filter(|_| panel.marks) {
            let _ = writeln!(svg, r#"<circle cx="{x:.1}" cy="{y:.1}" r="2.6" fill="{colour}"/>"#);
        }
    }
}

/// The next round number, so that a fifth of it can be read.
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0]
        .map(|digit| digit * power)
        .into_iter()
        .find(|round| *round >= value)
        .unwrap_or(value)
}

/// A number with at most three decimals.
fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lie_where_their_axis_has_them() {
        let linear = Axis::linear("s", 9.3);
        assert_eq!((linear.to, linear.place(5.0)), (10.0, 0.5));
        assert_eq!(linear.ticks[1], (2.0, "2".to_owned()));

        let decades = Axis::decades("MB/s", &[3.0, 0.0, 700.0]);
        let ticks: Vec<&str> = decades.ticks.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(ticks, ["1", "10", "100", "1000"]);
        assert!((decades.place(10.0) - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(Axis::decades("MB/s", &[10.0]).ticks.len(), 2);
    }

    #[test]
    fn a_line_ends_at_the_end_of_its_axis() {
        let panel = Panel {
            title: "title".to_owned(),
            x: Axis::linear("s", 1.0),
            y: Axis::linear("MB", 1.0),
            lines: vec![vec![(0.0, 0.0), (0.5, 2.0), (1.5, 0.5)]],
            marks: true,
        };
        let svg = figure("figure", &["one".to_owned()], &[panel]);
        assert!(svg.contains(r#"<polyline points="0.0,240.0 230.0,0.0""#), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 2);
    }
}
