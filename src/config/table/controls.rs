//! What operators may decide anew while the service runs.
use crate::{
    config::setting::{Form, Section, Setting},
    domain::Flag,
};

pub(in crate::config) const ENVIRONMENT: Setting = Setting {
    flag: "environment",
    env: "CATALOG_ENVIRONMENT",
    section: Section::Flags,
    form: Form::Text {
        value_name: "NAME",
        expected: "1 to 20 of a-z, 0-9, - and _",
    },
    default: "",
    secret: false,
    help: "Whose rows of flags and settings count here, before those for all environments",
};

/// The setting that decides where no row does.
pub(super) const fn switch(flag: Flag) -> Setting {
    let definition = flag.definition();
    Setting {
        flag: definition.option,
        env: definition.env,
        section: Section::Flags,
        form: Form::Switch,
        default: definition.default,
        secret: false,
        help: definition.description,
    }
}
