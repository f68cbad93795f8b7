//! The table of routes, made from the contract: which method a request means, and what its path says.
use http::{HeaderValue, Method};
use prost_reflect::{
    DescriptorError, DescriptorPool, FieldDescriptor, MessageDescriptor, MethodDescriptor,
};

use super::{
    annotations::{Binding, bindings, option},
    field_path::FieldPath,
    percent,
    template::{SplitPath, Template},
};
use crate::domain::FieldViolation;

/// Why the table cannot be made: a mistake in the contract.
#[derive(Debug, thiserror::Error)]
pub enum RoutesError {
    /// The descriptors cannot be read.
    #[error("the descriptors of the contract cannot be read")]
    Descriptors(#[from] DescriptorError),
    /// The contract does not know the option.
    #[error("the contract does not import google.api.http")]
    NoOption,
    /// An annotation is beyond what is understood here, or names no field.
    #[error("google.api.http of {0} is not understood")]
    Annotation(String),
}

/// What the body of a request is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum BodyRule {
    /// There is none.
    None,
    /// Each field that the path does not fill.
    Whole,
    /// This field; the query has the others.
    Field(FieldDescriptor),
}

/// One way to call one method.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    verb: Method,
    text: String,
    variables: Vec<FieldPath>,
    body: BodyRule,
    rpc: MethodDescriptor,
    grpc_path: String,
}

impl Route {
    /// The verb, such as GET; what it serves is served to HEAD as well.
    pub(crate) fn verb(&self) -> &Method {
        &self.verb
    }

    /// The path with its variables, as the contract writes it.
    pub(crate) fn template(&self) -> &str {
        &self.text
    }

    /// The fields that the path fills, from left to right.
    pub(super) fn variables(&self) -> &[FieldPath] {
        &self.variables
    }

    /// What the body is.
    pub(crate) fn body(&self) -> &BodyRule {
        &self.body
    }

    /// The method, by its descriptor: its messages, and whether they stream.
    pub(crate) fn rpc(&self) -> &MethodDescriptor {
        &self.rpc
    }

    /// The path by which gRPC calls the method, `/package.Service/Method`.
    pub(crate) fn grpc_path(&self) -> &str {
        &self.grpc_path
    }

    fn of(rpc: &MethodDescriptor, binding: Binding) -> Option<(Template, Self)> {
        let template = Template::parse(&binding.template)?;
        let input = rpc.input();
        let variables = template.variables();
        let variables: Option<_> = variables.map(|name| variable(&input, name)).collect();
        let body = match binding.body.as_str() {
            "" => BodyRule::None,
            "*" => BodyRule::Whole,
            name => BodyRule::Field(input.get_field_by_name(name)?),
        };
        let service = rpc.parent_service().full_name().to_owned();
        let route = Self {
            verb: binding.verb,
            text: binding.template,
            variables: variables?,
            body,
            rpc: rpc.clone(),
            grpc_path: format!("/{service}/{}", rpc.name()),
        };
        Some((template, route))
    }
}

/// A variable of a path fills one field with text.
fn variable(input: &MessageDescriptor, name: &str) -> Option<FieldPath> {
    let path = FieldPath::resolve(input, name)?;
    let is_text = path.leaf().kind() == prost_reflect::Kind::String;
    (is_text && !path.leaf().is_list()).then_some(path)
}

/// A route, and what the path says.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    /// The route.
    pub(crate) route: &'a Route,
    /// The text for each of its variables, decoded, from left to right.
    pub(crate) variables: Vec<String>,
}

/// Why no method is called.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoRoute<'a> {
    /// There is no such path: 404.
    Unknown,
    /// The path has other verbs, told as `Allow` does: 405.
    OtherVerbs(&'a HeaderValue),
    /// A part of the path cannot be decoded: 400.
    Encoding(FieldViolation),
}

/// All routes of the contract.
#[derive(Debug)]
pub(crate) struct Routes {
    contract: DescriptorPool,
    paths: Vec<Path>,
}

/// The routes of one path, one for each of its verbs.
#[derive(Debug)]
struct Path {
    template: Template,
    routes: Vec<Route>,
    allow: HeaderValue,
}

impl Routes {
    /// Reads the routes of the compiled-in contract.
    ///
    /// # Errors
    ///
    /// When the contract has a mistake; a test shows that it has none.
    pub(crate) fn read() -> Result<Self, RoutesError> {
        let contract = DescriptorPool::decode(crate::pb::DESCRIPTORS)?;
        Self::of(&contract)
    }

    fn of(contract: &DescriptorPool) -> Result<Self, RoutesError> {
        let option = option(contract).ok_or(RoutesError::NoOption)?;
        let mut routes = Self {
            contract: contract.clone(),
            paths: Vec::new(),
        };
        for rpc in contract.services().flat_map(|it| rpcs(&it)) {
            let wrong = || RoutesError::Annotation(rpc.full_name().to_owned());
            for binding in bindings(&rpc, &option).ok_or_else(wrong)? {
                let (template, route) = Route::of(&rpc, binding).ok_or_else(wrong)?;
                routes.add(template, route).ok_or_else(wrong)?;
            }
        }
        Ok(routes)
    }

    fn add(&mut self, template: Template, route: Route) -> Option<()> {
        let known = self
            .paths
            .iter_mut()
            .find(|it| it.template.equals(&template));
        if let Some(path) = known {
            path.routes.push(route);
            path.allow = allow(&path.routes)?;
        } else {
            let routes = vec![route];
            let allow = allow(&routes)?;
            self.paths.push(Path {
                template,
                routes,
                allow,
            });
        }
        Some(())
    }

    /// All of them, in the order of the contract but that those of one path are together.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Route> {
        self.paths.iter().flat_map(|path| &path.routes)
    }

    /// The routes of each path, one for each of its verbs.
    pub(super) fn by_path(&self) -> impl Iterator<Item = &[Route]> {
        self.paths.iter().map(|path| &path.routes[..])
    }

    /// What they were read from.
    pub(super) fn contract(&self) -> &DescriptorPool {
        &self.contract
    }

    /// The route of a request by its verb and its path, which is still percent-encoded and has no query.
    ///
    /// # Errors
    ///
    /// Which of three reasons there is to call no method.
    pub(crate) fn find(&self, verb: &Method, path: &str) -> Result<Found<'_>, NoRoute<'_>> {
        let path = SplitPath::of(path).ok_or(NoRoute::Unknown)?;
        let mut paths = self.paths.iter();
        let at = paths.find_map(|it| Some((it, it.template.values(&path)?)));
        let (at, values) = at.ok_or(NoRoute::Unknown)?;
        let verb = if verb == Method::HEAD {
            &Method::GET
        } else {
            verb
        };
        let route = at.routes.iter().find(|route| route.verb == *verb);
        let route = route.ok_or(NoRoute::OtherVerbs(&at.allow))?;
        let mut variables = Vec::with_capacity(values.len());
        for (variable, value) in route.variables.iter().zip(values) {
            let value = percent::decode(value, false);
            let wrong = |problem| FieldViolation::new(variable.name(), problem);
            variables.push(
                value
                    .map_err(|it| NoRoute::Encoding(wrong(it)))?
                    .into_owned(),
            );
        }
        Ok(Found { route, variables })
    }
}

fn rpcs(service: &prost_reflect::ServiceDescriptor) -> Vec<MethodDescriptor> {
    service.methods().collect()
}

fn allow(routes: &[Route]) -> Option<HeaderValue> {
    let mut verbs = Vec::new();
    for route in routes {
        verbs.push(route.verb.as_str());
        if route.verb == Method::GET {
            verbs.push("HEAD");
        }
    }
    HeaderValue::try_from(verbs.join(", ")).ok()
}

#[cfg(test)]
#[path = "routes_tests.rs"]
mod tests;
