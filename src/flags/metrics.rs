//! Metrics of flags and settings.
use super::FlagSnapshot;
use crate::{
    domain::{ActiveControls, Evaluation, RuntimeControl},
    telemetry::Page,
};

impl FlagSnapshot {
    /// Writes how every flag and every setting stands.
    pub fn collect(&self, page: &mut Page) {
        let flags = self.flags();
        let mut on = page.gauge(
            "catalog_feature_flag_ratio",
            "The share of callers for whom the flag is on: 0 is off, 1 is on for all.",
        );
        for flag in &flags {
            let percentage = flag.value.percentage().get();
            let label = ("flag", flag.control.name());
            on.sample(&[label], f64::from(percentage) / 100.0);
        }
        broken(page, ("catalog_feature_flag_broken", "flag"), &flags);
        let settings = self.settings();
        let mut values = page.gauge(
            "catalog_runtime_setting_value",
            "The value of the runtime setting in force, in the unit that its name states.",
        );
        for setting in &settings {
            values.sample(&[("setting", setting.control.name())], setting.value);
        }
        broken(
            page,
            ("catalog_runtime_setting_broken", "setting"),
            &settings,
        );
    }
}

/// Writes under the name, and with the label, which rows make no sense.
fn broken<C: RuntimeControl>(
    page: &mut Page,
    (name, label): (&str, &str),
    evaluations: &[Evaluation<C>],
) {
    let help =
        format!("1 while the row of the {label} is invalid; the last valid value stays in force.");
    let mut gauge = page.gauge(name, &help);
    for evaluation in evaluations {
        let labels = [(label, evaluation.control.name())];
        gauge.sample(&labels, u8::from(evaluation.problem.is_some()));
    }
}
