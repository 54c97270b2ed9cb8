//! A crawl as an SVG picture: each ring is a step farther from the seeds.

use std::{
    collections::{BTreeMap, HashMap},
    f64::consts::TAU,
    fmt::Write as _,
    io,
    net::SocketAddr,
    path::Path,
};

use super::record::{CallResult, Record};
use crate::{failure::Failure, whole_file::Draft};

/// The side of the picture in its own units.
const SIZE: f64 = 1000.0;

/// The radius of the outermost ring.
const OUTER_RING: f64 = 440.0;

/// Fails if the picture could not be written: better before a long crawl than after it.
pub(super) fn check(path: &Path) -> Result<(), Failure> {
    if path.is_dir() {
        return Err(unwritable(path, &io::ErrorKind::IsADirectory.into()));
    }
    Draft::write(path, &[])
        .map(drop)
        .map_err(|error| unwritable(path, &error))
}

/// Writes the picture, whole or not at all; what was there before stays if that fails.
pub(super) fn write(path: &Path, records: &[Record]) -> Result<(), Failure> {
    let written = Draft::write(path, draw(records).as_bytes()).and_then(Draft::publish);
    written.map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let message = format!("can not write the picture {}: {error}", path.display());
    Failure::new("picture", "unwritable_picture", message)
}

/// The picture. All texts in it are addresses and numbers of ours, so there is nothing to escape.
fn draw(records: &[Record]) -> String {
    let places = places(records);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {SIZE} {SIZE}\" font-family=\"sans-serif\" \
         font-size=\"14\">\n<rect width=\"{SIZE}\" height=\"{SIZE}\" fill=\"white\"/>\n<g stroke=\"#999\" \
         stroke-width=\"0.4\" stroke-opacity=\"0.5\">\n"
    );
    for record in records {
        let Some((x1, y1)) = places.get(&record.address) else {
            continue;
        };
        for (x2, y2) in record.points.iter().filter_map(|point| places.get(point)) {
            let _ = writeln!(
                svg,
                "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
            );
        }
    }
    svg.push_str("</g>\n<g>\n");
    for record in records {
        if let Some((x, y)) = places.get(&record.address) {
            let (address, colour) = (record.address, colour(record.result));
            let _ = writeln!(
                svg,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"><title>{address}</title></circle>"
            );
        }
    }
    svg.push_str("</g>\n");
    for (row, (result, text)) in [
        (CallResult::Taken, "take us"),
        (CallResult::Refused, "refuse us"),
        (CallResult::Failed, "failed"),
    ]
    .into_iter()
    .enumerate()
    {
        let count = records.iter().filter(|record| record.result == result).count();
        let (y, colour) = (20 + 20 * row, colour(result));
        let _ = writeln!(
            svg,
            "<circle cx=\"20\" cy=\"{y}\" r=\"6\" fill=\"{colour}\"/><text x=\"32\" y=\"{}\">{count} {text}</text>",
            y + 5
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn colour(result: CallResult) -> &'static str {
    match result {
        CallResult::Taken => "#2a7f4f",
        CallResult::Refused => "#d98c00",
        CallResult::Failed => "#b03a2e",
    }
}

/// A place on the ring of its distance for each address, evenly spread.
fn places(records: &[Record]) -> HashMap<SocketAddr, (f64, f64)> {
    let mut rings: BTreeMap<u32, Vec<SocketAddr>> = BTreeMap::new();
    for record in records {
        rings.entry(record.distance).or_default().push(record.address);
    }
    let farthest = rings.keys().next_back().copied().unwrap_or(0);
    let mut places = HashMap::new();
    for (distance, mut ring) in rings {
        ring.sort();
        // A single seed stands in the middle, several around it.
        let steps = f64::from(distance) + if ring.len() > 1 && distance == 0 { 0.3 } else { 0.0 };
        let radius = OUTER_RING * steps / f64::from(farthest.max(1));
        let count = ring.len() as f64;
        for (index, address) in ring.into_iter().enumerate() {
            let angle = TAU * (index as f64 / count) + f64::from(distance);
            let (sin, cos) = angle.sin_cos();
            places.insert(address, (SIZE / 2.0 + radius * cos, SIZE / 2.0 + radius * sin));
        }
    }
    places
}
