//! docs/data-dictionary.md, made from the API's description and from the words for outcomes and reasons.

use std::fmt::Write as _;

use icaze_store::{Outcome, Reason};
use serde_json::{Map, Value};

const HEAD: &str = "# Data dictionary

What each field of the API's answers and questions means; `GET /openapi.json` has the same for programs. Made from the code: a test
holds it to that.

* **Instants** are RFC 3339, in UTC, to the microsecond at most; intervals are half-open. Days and hours in statistics are those of the
  regime's time zone.
* **Persons** are told of by pseudonyms: a keyed hash, the same in all reports of one gateway. The key does not leave it.
* **Regions** are the register's names. **Age bands** are completed years on the day of the decision, rounded down to tens.
* **Purposes** are the digits of the regime in force; `icaze regime show` has their names.
* **Not in any report**: phone numbers, serials, permit codes, texts.

";

/// The dictionary of a description.
pub(super) fn of(description: &Value) -> String {
    let mut text = HEAD.to_owned();
    text += "## Outcomes\n\n| outcome | meaning |\n|---|---|\n";
    for outcome in Outcome::ALL {
        let _ = writeln!(text, "| `{outcome}` | {} |", outcome.meaning());
    }
    text += "\n## Reasons\n\n| reason | outcome | meaning |\n|---|---|---|\n";
    for reason in Reason::ALL {
        let _ = writeln!(text, "| `{reason}` | `{}` | {} |", reason.outcome(), reason.meaning());
    }
    for (name, schema) in schemas(description) {
        let _ = write!(text, "\n## {name}\n\n{}\n", meaning(schema));
        if let Some(values) = schema["enum"].as_array() {
            let values: Vec<String> =
                values.iter().filter_map(Value::as_str).map(|name| format!("`{name}`")).collect();
            let _ = write!(text, "\nOne of {}.\n", values.join(", "));
        }
        if let Some(fields) = schema["properties"].as_object() {
            text += "\n| field | type | meaning |\n|---|---|---|\n";
            for (field, of) in fields {
                let _ = writeln!(text, "| `{field}` | {} | {} |", kind(of), meaning(of));
            }
        }
    }
    text
}

/// Fields that are not described.
pub(super) fn lacking(description: &Value) -> Vec<String> {
    let mut lacking = Vec::new();
    for (name, schema) in schemas(description) {
        let fields = schema["properties"].as_object().into_iter().flatten();
        let undescribed = fields.filter(|(_, of)| meaning(of).is_empty() && !kind(of).contains("]("));
        lacking.extend(undescribed.map(|(field, _)| format!("{name}.{field}")));
    }
    lacking
}

fn schemas(description: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let schemas: Option<&Map<_, _>> = description["components"]["schemas"].as_object();
    schemas.into_iter().flatten()
}

fn meaning(of: &Value) -> String {
    of["description"].as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The type in words, with bounds; a link for another schema.
fn kind(of: &Value) -> String {
    if let Some(name) = of["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if of["type"] == "array" {
        return format!("list of {}", kind(&of["items"]));
    }
    let types: Vec<&str> = match &of["type"] {
        Value::String(one) => vec![one],
        several => several.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
    };
    let types: Vec<&str> =
        types.into_iter().map(|name| if name == "null" { "`null`" } else { name }).collect();
    let mut kind = if types.is_empty() { "any".to_owned() } else { types.join(" or ") };
    if of["format"] == "date-time" {
        kind = kind.replace("string", "instant");
    }
    let number = |key: &str| of[key].as_u64();
    match (number("minimum").or(number("minLength")), number("maximum").or(number("maxLength"))) {
        (Some(least), Some(most)) => kind + &format!(", {least} to {most}"),
        (None, Some(most)) => kind + &format!(", at most {most}"),
        _ => kind,
    }
}
