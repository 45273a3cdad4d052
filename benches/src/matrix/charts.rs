//! Series as SVG: lines, bars, and a map of colours. White ground, dark ink, colours that people
//! who see few of them can tell apart. Bars over each point are the smallest and the largest run.

use plotters::coord::Shift;
use plotters::coord::ranged1d::SegmentValue;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::results::Results;
use super::series::{self, Series};
use crate::Result;
use crate::statistics::Spread;

const SIZE: (u32, u32) = (960, 520);
/// Where the strip for the legend begins.
const LEGEND_AT: u32 = 800;
const FONT: &str = "sans-serif";
const INK: RGBColor = RGBColor(34, 34, 34);
/// The palette of Okabe and Ito without its yellow, which is too pale on white.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(0, 0, 0),
];
/// The ends of the map of colours.
const PALE: (f64, f64, f64) = (236.0, 242.0, 250.0);
const DEEP: (f64, f64, f64) = (8.0, 64.0, 129.0);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// All charts that the results have something for: file name and SVG.
///
/// # Errors
/// A chart cannot be laid out.
pub fn draw(results: &Results) -> Result<Vec<(String, String)>> {
    let prefix = results.matrix.name();
    let by_value_size = series::by_value_size(results);
    let mut charts = Vec::new();
    let mut add = |name: &str, series: &Series, chart: fn(&Area<'_>, &Series) -> Result<()>| {
        if series.lines.is_empty() || !series.is_worth_showing() {
            return Ok(());
        }
        charts.push((format!("{prefix}-{name}.svg"), svg(series, chart)?));
        Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    };
    add("throughput-map", &by_value_size, map)?;
    for series in [
        by_value_size,
        series::by_depth(results),
        series::by_connections(results),
        series::by_connections_and_servers(results),
    ] {
        add(series.name, &series, lines)?;
    }
    let overhead = series::cluster_overhead(results);
    if !overhead.lines.is_empty() {
        charts.push((
            format!("{prefix}-{}.svg", overhead.name),
            svg(&overhead, bars)?,
        ));
    }
    Ok(charts)
}

fn svg(series: &Series, chart: fn(&Area<'_>, &Series) -> Result<()>) -> Result<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(broken)?;
        chart(&area, series)?;
        area.present().map_err(broken)?;
    }
    Ok(text)
}

/// Errors of the library borrow from the picture.
fn broken(error: impl std::fmt::Display) -> String {
    format!("a chart cannot be drawn: {error}")
}

fn title(series: &Series) -> String {
    format!(
        "{} by {} ({})",
        series.measure,
        axis_alone(series),
        series.title
    )
}

/// The axis without its unit.
fn axis_alone(series: &Series) -> &str {
    series.axis.split(" (").next().unwrap_or(series.axis)
}

fn text(points: u32) -> TextStyle<'static> {
    (FONT, points).into_font().color(&INK)
}

fn lines(area: &Area<'_>, series: &Series) -> Result<()> {
    let (area, beside) = area.split_horizontally(LEGEND_AT);
    let last = series.places.len() as i32 - 1;
    let mut chart = ChartBuilder::on(&area)
        .caption(title(series), text(22))
        .margin(16)
        .x_label_area_size(48)
        .y_label_area_size(72)
        .build_cartesian_2d(0..last.max(1), 0.0..series.max() * 1.08)
        .map_err(broken)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(WHITE)
        .bold_line_style(INK.mix(0.15))
        .axis_style(INK)
        .label_style(text(17))
        .axis_desc_style(text(18))
        .x_desc(series.axis)
        .y_desc(series.measure)
        .x_labels(series.places.len())
        .x_label_formatter(&|at| label(series, *at))
        .y_label_formatter(&|figure| format!("{figure:.0}"))
        .draw()
        .map_err(broken)?;
    for (number, (_, figures)) in series.lines.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let points: Vec<(i32, Spread)> = (0..)
            .zip(figures)
            .filter_map(|(at, figure)| figure.map(|figure| (at, figure)))
            .collect();
        let medians = points.iter().map(|(at, figure)| (*at, figure.median));
        chart
            .draw_series(LineSeries::new(medians.clone(), colour.stroke_width(2)))
            .map_err(broken)?;
        chart
            .draw_series(medians.map(|point| Circle::new(point, 3, colour.filled())))
            .map_err(broken)?;
        let whiskers = points.iter().filter(|(_, figure)| figure.min < figure.max);
        chart
            .draw_series(whiskers.map(|(at, figure)| {
                PathElement::new(
                    vec![(*at, figure.min), (*at, figure.max)],
                    colour.stroke_width(1),
                )
            }))
            .map_err(broken)?;
    }
    legend(&beside, series)
}

/// What stands at a place of the axis.
fn label(series: &Series, at: i32) -> String {
    let place = usize::try_from(at)
        .ok()
        .and_then(|at| series.places.get(at));
    place.cloned().unwrap_or_default()
}

fn bars(area: &Area<'_>, series: &Series) -> Result<()> {
    let (area, beside) = area.split_horizontally(LEGEND_AT);
    let places = series.places.len();
    let top = series.max().max(1.0) * 1.25;
    let mut chart = ChartBuilder::on(&area)
        .caption(&series.title, text(22))
        .margin(16)
        .x_label_area_size(48)
        .y_label_area_size(72)
        .build_cartesian_2d(0.0..places as f64, 0.0..top)
        .map_err(broken)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(WHITE)
        .bold_line_style(INK.mix(0.15))
        .axis_style(INK)
        .label_style(text(17))
        .axis_desc_style(text(18))
        .x_desc(series.axis)
        .y_desc(series.measure)
        .x_labels(0)
        .y_label_formatter(&|figure| format!("{figure:.1}"))
        .draw()
        .map_err(broken)?;
    let width = 0.8 / series.lines.len() as f64;
    for (number, (_, figures)) in series.lines.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let left = |at: usize| at as f64 + 0.1 + number as f64 * width;
        let known = figures.iter().enumerate();
        let known = known.filter_map(|(at, figure)| figure.map(|figure| (left(at), figure)));
        chart
            .draw_series(known.clone().map(|(left, figure)| {
                Rectangle::new(
                    [(left, 0.0), (left + width * 0.95, figure.median)],
                    colour.filled(),
                )
            }))
            .map_err(broken)?;
        chart
            .draw_series(known.clone().map(|(left, figure)| {
                let middle = left + width * 0.475;
                PathElement::new(
                    vec![(middle, figure.min), (middle, figure.max)],
                    INK.stroke_width(1),
                )
            }))
            .map_err(broken)?;
        let style = text(16).pos(Pos::new(HPos::Center, VPos::Bottom));
        chart
            .draw_series(known.map(|(left, figure)| {
                let above = (left + width * 0.475, figure.max + top * 0.01);
                Text::new(format!("{:.2}", figure.median), above, style.clone())
            }))
            .map_err(broken)?;
    }
    let origin = chart.plotting_area().get_pixel_range();
    for (at, place) in series.places.iter().enumerate() {
        let span = f64::from(origin.0.end - origin.0.start) / places as f64;
        let x = f64::from(origin.0.start) + (at as f64 + 0.5) * span;
        let style = text(17).pos(Pos::new(HPos::Center, VPos::Top));
        area.draw(&Text::new(
            place.clone(),
            (x as i32, origin.1.end + 6),
            style,
        ))
        .map_err(broken)?;
    }
    legend(&beside, series)
}

/// Which colour is which line, in a strip of its own: over the lines it would hide some.
fn legend(area: &Area<'_>, series: &Series) -> Result<()> {
    for (number, (name, _)) in (0..).zip(&series.lines) {
        let (y, colour) = (60 + 24 * number, COLOURS[number as usize % COLOURS.len()]);
        let patch = Rectangle::new([(0, y - 5), (18, y + 5)], colour.filled());
        area.draw(&patch).map_err(broken)?;
        let style = text(17).pos(Pos::new(HPos::Left, VPos::Center));
        let name = Text::new(name.clone(), (26, y), style);
        area.draw(&name).map_err(broken)?;
    }
    Ok(())
}

/// Lines one above the other; how deep a colour is says how large the figure in it.
fn map(area: &Area<'_>, series: &Series) -> Result<()> {
    let (columns, rows) = (series.places.len() as i32, series.lines.len() as i32);
    let mut chart = ChartBuilder::on(area)
        .caption(title(series), text(22))
        .margin(16)
        .x_label_area_size(48)
        .y_label_area_size(120)
        .build_cartesian_2d(
            (0..columns - 1).into_segmented(),
            (0..rows - 1).into_segmented(),
        )
        .map_err(broken)?;
    let row_name = |row: &SegmentValue<i32>| match row {
        SegmentValue::CenterOf(row) => series.lines[*row as usize].0.clone(),
        _ => String::new(),
    };
    let column_name = |column: &SegmentValue<i32>| match column {
        SegmentValue::CenterOf(column) => label(series, *column),
        _ => String::new(),
    };
    chart
        .configure_mesh()
        .disable_mesh()
        .axis_style(INK)
        .label_style(text(17))
        .axis_desc_style(text(18))
        .x_desc(series.axis)
        .x_labels(series.places.len())
        .y_labels(series.lines.len())
        .x_label_formatter(&column_name)
        .y_label_formatter(&row_name)
        .draw()
        .map_err(broken)?;
    let largest = series.max();
    for (row, (_, figures)) in (0..).zip(&series.lines) {
        for (column, figure) in (0..).zip(figures) {
            let Some(figure) = figure else { continue };
            let share = figure.median / largest;
            let corners = [
                (SegmentValue::Exact(column), SegmentValue::Exact(row)),
                (
                    SegmentValue::Exact(column + 1),
                    SegmentValue::Exact(row + 1),
                ),
            ];
            let ink = if share > 0.5 { WHITE } else { INK };
            let style = text(18)
                .color(&ink)
                .pos(Pos::new(HPos::Center, VPos::Center));
            let middle = (SegmentValue::CenterOf(column), SegmentValue::CenterOf(row));
            let cell = Rectangle::new(corners, shade(share).filled());
            chart.draw_series([cell]).map_err(broken)?;
            let figure = Text::new(format!("{:.0}", figure.median), middle, style);
            chart.draw_series([figure]).map_err(broken)?;
        }
    }
    Ok(())
}

/// The colour of a share of the largest figure.
fn shade(share: f64) -> RGBColor {
    let mix = |pale: f64, deep: f64| (pale + (deep - pale) * share).round() as u8;
    RGBColor(
        mix(PALE.0, DEEP.0),
        mix(PALE.1, DEEP.1),
        mix(PALE.2, DEEP.2),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::choice::Matrix;
    use crate::matrix::recorded;

    fn charts(repeats: u64) -> Vec<(String, String)> {
        let lines = recorded::lines(Matrix::Sweep, repeats);
        draw(&Results::of(Matrix::Sweep, &lines).unwrap()).unwrap()
    }

    #[test]
    fn a_sweep_has_every_chart_with_its_axes_and_legends() {
        let charts = charts(1);
        let names: Vec<&str> = charts.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "sweep-throughput-map.svg",
                "sweep-value-size.svg",
                "sweep-depth.svg",
                "sweep-connections.svg",
                "sweep-connections-cluster.svg",
                "sweep-cluster-overhead.svg"
            ]
        );
        for (name, words) in [
            (0, ["value size (bytes)", "2048-byte keys", "16384"]),
            (1, ["MiB/s of keys and values", "64-byte keys", "16384"]),
            (2, ["pipeline depth (commands)", "512/2048", "10000"]),
            (3, ["connections per server", "128/512", "16"]),
            (4, ["connections per server", "cluster-5", "16"]),
            (
                5,
                [
                    "time of the cluster / time of one server",
                    "cluster-3",
                    "256/8192",
                ],
            ),
        ] {
            let (file, svg) = &charts[name];
            assert!(
                svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"),
                "{file}"
            );
            assert!(svg.contains("#FFFFFF"), "{file} has no white ground");
            for word in words {
                assert!(svg.contains(word), "{file} lacks {word}");
            }
        }
    }

    #[test]
    fn repeats_get_whiskers() {
        let strokes = |charts: &[(String, String)]| charts[2].1.matches("<polyline").count();
        assert_eq!(strokes(&charts(3)), strokes(&charts(1)) + 7 * 6);
    }

    #[test]
    fn a_server_and_its_cluster_have_the_one_chart_that_they_allow() {
        use crate::matrix::cell::{Cell, Mode};
        let cell = Cell::standalone(64, 256, 2).deep(100);
        let lines = [
            recorded::line(cell, 0, 100.0),
            recorded::line(cell.on(Mode::Cluster3), 0, 50.0),
        ];
        let charts = draw(&Results::of(Matrix::Baseline, &lines).unwrap()).unwrap();
        let names: Vec<_> = charts.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["baseline-cluster-overhead.svg"]);
        assert!(charts[0].1.contains("1.91"));
    }
}
