//! resource.Quantity.

use std::cmp::Ordering;

use gitops_core::{Quantity, json};
use serde_json::Value;

use crate::corpus::{run, same};

fn parse(text: &Value) -> Result<Quantity, String> {
    text.as_str()
        .expect("text")
        .parse()
        .map_err(|error: gitops_core::QuantityError| error.to_string())
}

#[test]
fn corpus_parse() {
    run("quantity parse", &["quantity/parse.jsonl"], |case| {
        let found = parse(&case["in"]);
        let quantity = match (found, case["error"].as_str()) {
            (Ok(quantity), None) => quantity,
            (Err(error), Some(wanted)) => return same("error", &error, wanted),
            (Err(error), None) => return Err(error),
            (Ok(quantity), Some(wanted)) => return Err(format!("{quantity} instead of {wanted}")),
        };
        let wanted = |field: &str| case[field].as_str().unwrap_or_default().to_owned();
        same("canonical", &quantity.to_string(), &wanted("canonical"))?;
        same("format", quantity.format().as_str(), &wanted("format"))?;
        same(
            "sign",
            &quantity.signum().to_string(),
            &case["sign"].to_string(),
        )?;
        same("dec", &quantity.to_decimal_string(), &wanted("dec"))?;
        same("value", &quantity.value().to_string(), &wanted("value"))?;
        let milli = quantity.milli_value().to_string();
        same("milli_value", &milli, &wanted("milli_value"))?;
        let approximate: f64 = wanted("approx_float").parse().expect("a float");
        if quantity.approximate_f64() == approximate {
            Ok(())
        } else {
            Err(format!(
                "{} instead of {approximate}",
                quantity.approximate_f64()
            ))
        }
    });
}

#[test]
fn corpus_compare() {
    run("quantity compare", &["quantity/compare.jsonl"], |case| {
        let (a, b) = (parse(&case["a"])?, parse(&case["b"])?);
        let order = match a.cmp(&b) {
            Ordering::Less => "-1",
            Ordering::Equal => "0",
            Ordering::Greater => "1",
        };
        same("cmp", order, &case["cmp"].to_string())?;
        let wanted = |field: &str| case[field].as_str().unwrap_or_default();
        same("add", &a.plus(&b).to_string(), wanted("add"))?;
        same("sub", &a.minus(&b).to_string(), wanted("sub"))
    });
}

#[test]
fn corpus_json() {
    run("quantity json", &["quantity/json.jsonl"], |case| {
        let text = case["json"].as_str().expect("json");
        match (Quantity::from_json_text(text), case["error"].as_str()) {
            (Ok(quantity), None) => {
                let json = json::to_go_string(&Value::String(quantity.to_string()));
                same("out", &json, case["out"].as_str().unwrap_or_default())
            }
            (Err(error), Some(wanted)) => same("error", &error.to_string(), wanted),
            (found, _) => Err(format!("{found:?} instead of {case}")),
        }
    });
}
