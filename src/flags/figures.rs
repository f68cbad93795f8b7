//! What the flags tell Prometheus.
use super::FlagBoard;
use crate::{domain::ControlBoard, telemetry::Page};

impl FlagBoard {
    /// Writes how every flag stands.
    pub fn collect(&self, page: &mut Page) {
        let flags = self.flags();
        let mut on = page.gauge(
            "catalog_feature_flag_ratio",
            "For what part of the callers a flag is on: 0 off, 1 on for all.",
        );
        for flag in &flags {
            let percentage = flag.value.percentage().get();
            let name = flag.control.to_string();
            on.sample(&[("flag", &name)], f64::from(percentage) / 100.0);
        }
        let mut broken = page.gauge(
            "catalog_feature_flag_broken",
            "1 where the row of a flag makes no sense, so that the last good value stays.",
        );
        for flag in &flags {
            let name = flag.control.to_string();
            broken.sample(&[("flag", &name)], u8::from(flag.problem.is_some()));
        }
    }
}
