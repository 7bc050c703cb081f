//! `GET /v1/statistics`: decisions or persons, counted.

#![allow(unused_qualifications, reason = "the macro of the parameters writes one")]

use std::collections::{BTreeMap, VecDeque};

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::residents::Residents;
use super::table::{Column, Table};
use super::{Format, asked, no_answer, range};
use crate::clock::Now;
use crate::history::statistics::{Counted, Dimension, GROUPS_MAX, Measure, Question, StatisticsError, Value};
use crate::http::Shared;
use crate::http::access::Caller;
use crate::http::openapi::{Refused, RefusedQuery};
use crate::http::problem::Problem;

/// Smaller counts are not told: they may be about somebody whom the reader knows.
const SMALL: u64 = 5;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Ask {
    /// The first instant; rounded down to a quarter of an hour.
    #[param(value_type = String, format = DateTime, example = "2026-11-26T00:00:00+04:00")]
    from: Timestamp,
    /// The first instant behind the range, at most 366 days later; rounded up to a quarter of an hour.
    #[param(value_type = String, format = DateTime, example = "2026-11-27T00:00:00+04:00")]
    to: Timestamp,
    /// What tells groups apart, separated by commas: `purpose`, `outcome`, `reason`, `hour`, `day`, `region`, `age_band`. All are one
    /// group if it is left out.
    #[param(example = "region,outcome", max_length = 80)]
    #[serde(default)]
    by: String,
    /// What is counted.
    #[param(inline)]
    #[serde(default)]
    measure: Measure,
    /// How the answer is written.
    #[param(inline)]
    #[serde(default)]
    format: Format,
}

/// Decisions or persons, counted.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Statistics {
    /// The first instant that is counted.
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    /// The first instant that is not.
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
    by: Vec<Dimension>,
    measure: Measure,
    /// All groups together; of persons, those who are in several groups once. Not told if it is small.
    total: Option<u64>,
    /// Counts below this are not told. Where that would leave one group alone untold, another one is not told either.
    #[schema(example = 5)]
    small: u64,
    /// By their values, in order.
    #[schema(max_items = 10_000)]
    groups: Vec<Group>,
}

/// What has something in common.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Group {
    /// What that is, in the order of `by`: digits of purposes and age bands as numbers, days as dates, hours as their first
    /// instants; `null` where it is not known.
    values: Vec<Value>,
    /// Not told if `suppressed`.
    count: Option<u64>,
    /// The count for 1,000 residents who live there and are that old, as far as the group says so.
    per_1000: Option<f64>,
    /// Whether the count is small, or would tell a small one.
    suppressed: bool,
}

/// Decisions or persons, counted by what they have in common.
///
/// Scope health. What was asked by probes, and what is never answered, is not counted. Small counts are suppressed and marked.
#[utoipa::path(get, path = "/v1/statistics", tag = "reports", params(Ask),
    responses((status = 200, description = "The counts", content((Statistics = "application/json"), (String = "text/csv"),
            (Vec<u8> = "application/vnd.apache.parquet"))),
        RefusedQuery, Refused))]
pub(in crate::http) async fn statistics(
    State(shared): State<Shared>,
    caller: Caller,
    ask: Result<Query<Ask>, QueryRejection>,
) -> Result<Response, Problem> {
    let ask = asked(&caller, ask)?;
    let format = ask.format;
    let statistics = count(&shared, ask).await?;
    match format {
        Format::Json => Ok(Json(statistics).into_response()),
        Format::Csv => table(&statistics).csv(),
        Format::Parquet => table(&statistics).parquet(),
    }
}

async fn count(shared: &Shared, ask: Ask) -> Result<Statistics, Problem> {
    let time = range(ask.from, ask.to)?;
    let by = dimensions(&ask.by)?;
    let now = Now::read().wall;
    let world = shared.gateway.world();
    let zone = world.regimes.at(now).map_or(TimeZone::UTC, |regime| regime.zone.clone());
    let today = zone.to_datetime(now).date();
    let quarters = Question::quarters(time.start, time.end);
    let question = Question { quarters, by, measure: ask.measure, zone };
    let (archive, gateway) = (shared.archive.clone(), shared.gateway.clone());
    let census = shared.reports.census.clone();
    let make = move || {
        let durable = gateway.durable().borrow().position();
        let counted = archive.count(&gateway.history, &question, durable).map_err(|error| match error {
            StatisticsError::TooFine => Problem::unusable(
                "by",
                format!("more than {GROUPS_MAX} groups: ask by less, or for a shorter time"),
            ),
            StatisticsError::Archive(error) => no_answer(&error),
        })?;
        Ok(told(counted, &question, &census.residents(&world.register, today)))
    };
    shared.reports.make(make).await
}

fn dimensions(by: &str) -> Result<Vec<Dimension>, Problem> {
    let mut dimensions = Vec::new();
    for name in by.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let unknown = || {
            Problem::unusable(
                "by",
                "`by` has some of purpose, outcome, reason, hour, day, region, age_band, each once",
            )
        };
        let dimension = serde_json::from_value(name.into()).map_err(|_| unknown())?;
        if dimensions.contains(&dimension) {
            return Err(unknown());
        }
        dimensions.push(dimension);
    }
    Ok(dimensions)
}

/// What may be told of the counts.
fn told(counted: Counted, question: &Question, residents: &Residents) -> Statistics {
    let Counted { groups, total } = counted;
    let untold = untold(&groups, question.by.len());
    let rate = |values: &[Value], count: u64| {
        let residents = residents.like(&question.by, values)?;
        Some((count as f64 * 1e6 / residents as f64).round() / 1000.0)
    };
    let groups = groups.into_iter().zip(untold).map(|((values, count), suppressed)| Group {
        count: (!suppressed).then_some(count),
        per_1000: if suppressed { None } else { rate(&values, count) },
        values,
        suppressed,
    });
    let instant = |quarter: u32| {
        let second = i64::from(quarter) * icaze_store::views::QUARTER_S as i64;
        Timestamp::from_second(second).unwrap_or_default()
    };
    Statistics {
        from: instant(question.quarters.start),
        to: instant(question.quarters.end),
        by: question.by.clone(),
        measure: question.measure,
        total: Some(total).filter(|&total| total == 0 || total >= SMALL),
        small: SMALL,
        groups: groups.collect(),
    }
}

/// Which counts are not told: small ones, and what would tell one. Somebody who asks by one dimension less is told the sum of the
/// groups that differ in that one alone; where all but one of these were told, that one would be too.
fn untold(groups: &[(Vec<Value>, u64)], dimensions: usize) -> Vec<bool> {
    let mut sums: BTreeMap<(usize, Vec<&Value>), Vec<usize>> = BTreeMap::new();
    for (place, (values, _)) in groups.iter().enumerate() {
        for dimension in 0..dimensions {
            let others = values.iter().enumerate().filter(|(at, _)| *at != dimension);
            sums.entry((dimension, others.map(|(_, value)| value).collect())).or_default().push(place);
        }
    }
    let sums: Vec<Vec<usize>> = sums.into_values().collect();
    let mut sums_of = vec![Vec::new(); groups.len()];
    for (sum, places) in sums.iter().enumerate() {
        places.iter().for_each(|&place| sums_of[place].push(sum));
    }
    let mut untold = vec![false; groups.len()];
    let mut counts = vec![0; sums.len()];
    let mut next: VecDeque<usize> = (0..groups.len()).filter(|&place| groups[place].1 < SMALL).collect();
    let mut alone: VecDeque<usize> = VecDeque::new();
    loop {
        while let Some(place) = next.pop_front() {
            untold[place] = true;
            sums_of[place].iter().for_each(|&sum| counts[sum] += 1);
            alone.extend(&sums_of[place]);
        }
        let Some(sum) = alone.pop_front() else { return untold };
        if counts[sum] == 1 {
            // The one that makes the fewest others necessary, and of these the smallest.
            let told = sums[sum].iter().copied().filter(|&place| !untold[place]);
            let makes_alone =
                |place: usize| sums_of[place].iter().filter(|&&other| counts[other] == 0).count();
            next.extend(told.min_by_key(|&place| (makes_alone(place), groups[place].1, place)));
        }
    }
}

/// A column for each dimension, then `count`, `per_1000` and `suppressed`.
fn table(statistics: &Statistics) -> Table {
    let groups = &statistics.groups;
    let mut table = Table::default();
    for (place, dimension) in statistics.by.iter().enumerate() {
        let values = groups.iter().map(|group| match group.values.get(place) {
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(Value::Text(text)) => Some(text.clone()),
            Some(Value::Unknown) | None => None,
        });
        table.add(dimension.name(), Column::Texts(values.collect()));
    }
    let count = |group: &Group| group.count.and_then(|count| i64::try_from(count).ok());
    table.add("count", Column::Integers(groups.iter().map(count).collect()));
    table.add("per_1000", Column::Reals(groups.iter().map(|group| group.per_1000).collect()));
    table.add("suppressed", Column::Flags(groups.iter().map(|group| group.suppressed).collect()));
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(by: &[Dimension]) -> Question {
        Question { quarters: 0..4, by: by.to_vec(), measure: Measure::Decisions, zone: TimeZone::UTC }
    }

    fn counted(counts: &[u64]) -> Counted {
        let groups =
            (0..).zip(counts).map(|(purpose, &count)| (vec![Value::Number(purpose)], count)).collect();
        Counted { groups, total: counts.iter().sum() }
    }

    #[test]
    fn small_counts_are_not_told_nor_told_by_the_others() {
        let told = |counts: &[u64]| {
            let told = told(counted(counts), &question(&[Dimension::Purpose]), &Residents::default());
            assert!(told.groups.iter().all(|group| group.suppressed == group.count.is_none()));
            (told.total, told.groups.iter().map(|group| group.count).collect::<Vec<_>>())
        };
        assert_eq!(told(&[5, 6, 100]), (Some(111), vec![Some(5), Some(6), Some(100)]));
        assert_eq!(told(&[4, 60, 8]), (Some(72), vec![None, Some(60), None]), "8 would tell the 4");
        assert_eq!(told(&[4, 60, 1]), (Some(65), vec![None, Some(60), None]));
        assert_eq!(told(&[4]), (None, vec![None]));
        assert_eq!(told(&[]), (Some(0), vec![]));
    }

    #[test]
    fn nor_by_whoever_asks_by_one_dimension_less() {
        let group = |region: &str, purpose, count| {
            (vec![Value::Text(region.to_owned()), Value::Number(purpose)], count)
        };
        let groups = [
            group("Baku", 1, 50),
            group("Baku", 2, 4),
            group("Baku", 3, 9),
            group("Lerik", 1, 60),
            group("Lerik", 2, 70),
            group("Lerik", 3, 80),
        ];
        // Baku's sum would tell its 4, so its 9 is not told; the sums of purposes 2 and 3 would tell both, so Lerik's are not.
        assert_eq!(untold(&groups, 2), [false, true, true, false, true, true]);
        let told = told(
            Counted { groups: groups.to_vec(), total: 273 },
            &question(&[Dimension::Region, Dimension::Purpose]),
            &Residents::default(),
        );
        assert_eq!(told.groups.iter().filter(|group| group.suppressed).count(), 4);
        assert_eq!(untold(&groups[3..], 2), [false; 3]);
        // A sum of one group tells that group, and is small itself.
        assert_eq!(untold(&[group("Shusha", 1, 2), group("Baku", 2, 90)], 2), [true, false]);
    }

    #[test]
    fn each_dimension_is_named_once() {
        let all = "purpose,outcome, reason,hour,day,region,age_band";
        assert_eq!(dimensions(all).unwrap().len(), 7);
        assert_eq!(dimensions("").unwrap(), []);
        for bad in ["phone", "day,day", "Region"] {
            assert!(dimensions(bad).is_err(), "{bad}");
        }
    }
}
