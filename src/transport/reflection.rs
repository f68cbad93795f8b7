//! Server reflection: tells tools which services and messages there are, with their documentation.
//!
//! A question that has no answer is answered so, and the stream goes on: clients ask on one stream
//! for all that they want to know. Its messages are those of both versions, v1 and v1alpha.
use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use http_body::Body;
use prost::{DecodeError, Message};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    OneofDescriptorProto,
};
use tokio::{sync::Semaphore, time::timeout};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use tonic_reflection::pb::v1::{
    ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse,
    ServerReflectionRequest, ServerReflectionResponse, ServiceResponse,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use super::{
    body::{ResponseBody, StreamLimits},
    context::RequestContext,
    reply::framed,
    request_body::RequestBodies,
    status,
    stream::open,
    unary::refuse,
    upload::Upload,
};

/// So many streams of questions may be open at once.
const STREAMS_MAX: usize = 100;
/// One on which nothing is asked for so long ends; its caller may open another.
const IDLE: Duration = Duration::from_mins(1);

/// Answers questions about descriptors.
pub(super) struct Reflection {
    index: Arc<Index>,
    streams: Arc<Semaphore>,
}

/// The files of the contract, as they were compiled in, found by all that they tell of.
#[derive(Default)]
struct Index {
    services: Vec<String>,
    files: BTreeMap<String, Bytes>,
    symbols: BTreeMap<String, Bytes>,
}

/// A set of files, each left as it is: decoded and encoded again it would lose options that are
/// not known here.
#[derive(Clone, PartialEq, Message)]
struct Files {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    file: Vec<Bytes>,
}

impl Reflection {
    /// Reflects on sets of encoded files.
    ///
    /// # Errors
    ///
    /// When one of them cannot be read.
    pub(super) fn of(sets: &[&'static [u8]]) -> Result<Self, DecodeError> {
        let mut index = Index::default();
        for set in sets {
            for file in Files::decode(*set)?.file {
                index.add(&FileDescriptorProto::decode(file.clone())?, &file);
            }
        }
        index.services.sort_unstable();
        Ok(Self {
            index: Arc::new(index),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
        })
    }

    /// Answers the questions of one call, until it asks no more, or the replica leaves.
    pub(super) fn answer<B>(
        &self,
        request: Request<B>,
        call: &RequestContext,
        bodies: &RequestBodies,
        leaving: &CancellationToken,
    ) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let Ok(permit) = Arc::clone(&self.streams).try_acquire_owned() else {
            let status = status::overloaded("too many streams of reflection are open");
            return refuse(&status, call);
        };
        let limits = StreamLimits {
            permit,
            leaving: leaving.clone(),
            gate: None,
        };
        let (head, body) = request.into_parts();
        let questions = Upload::new(body, head.headers, bodies, call);
        let index = Arc::clone(&self.index);
        let answers = stream::try_unfold((questions, index), next_answer);
        open(answers.boxed(), call, limits)
    }
}

type Questions<B> = (Upload<B>, Arc<Index>);

async fn next_answer<B>(
    (mut questions, index): Questions<B>,
) -> Result<Option<(Bytes, Questions<B>)>, Status>
where
    B: Body<Data = Bytes> + Unpin,
{
    let begins = timeout(IDLE, questions.begins()).await;
    if !begins.unwrap_or(Ok(false))? {
        return Ok(None);
    }
    let question = questions.next().await?;
    let answer = question.map(|question| framed(&index.answer(question)));
    Ok(answer.map(|answer| (answer, (questions, index))))
}

impl Index {
    fn add(&mut self, file: &FileDescriptorProto, raw: &Bytes) {
        if self
            .files
            .insert(file.name().to_owned(), raw.clone())
            .is_some()
        {
            return;
        }
        let package = file.package();
        for message in &file.message_type {
            self.add_message(package, message, raw);
        }
        for values in &file.enum_type {
            self.add_enum(package, values, raw);
        }
        for service in &file.service {
            let name = within(package, service.name());
            for method in &service.method {
                self.add_symbol(within(&name, method.name()), raw);
            }
            self.services.push(name.clone());
            self.add_symbol(name, raw);
        }
    }

    fn add_message(&mut self, scope: &str, message: &DescriptorProto, raw: &Bytes) {
        let name = within(scope, message.name());
        for nested in &message.nested_type {
            self.add_message(&name, nested, raw);
        }
        for values in &message.enum_type {
            self.add_enum(&name, values, raw);
        }
        let fields = message.field.iter().map(FieldDescriptorProto::name);
        let oneofs = message.oneof_decl.iter().map(OneofDescriptorProto::name);
        for part in fields.chain(oneofs) {
            self.add_symbol(within(&name, part), raw);
        }
        self.add_symbol(name, raw);
    }

    /// The values of an enum are named beside it, not within.
    fn add_enum(&mut self, scope: &str, values: &EnumDescriptorProto, raw: &Bytes) {
        for value in &values.value {
            self.add_symbol(within(scope, value.name()), raw);
        }
        self.add_symbol(within(scope, values.name()), raw);
    }

    fn add_symbol(&mut self, name: String, raw: &Bytes) {
        self.symbols.insert(name, raw.clone());
    }

    fn answer(&self, question: ServerReflectionRequest) -> ServerReflectionResponse {
        let answer = match &question.message_request {
            Some(MessageRequest::ListServices(_)) => {
                let services = self.services.iter().cloned();
                let service = services.map(|name| ServiceResponse { name }).collect();
                MessageResponse::ListServicesResponse(ListServiceResponse { service })
            }
            Some(MessageRequest::FileByFilename(name)) => found("file", name, self.files.get(name)),
            Some(MessageRequest::FileContainingSymbol(name)) => {
                found("symbol", name, self.symbols.get(name))
            }
            // The contract has no extensions.
            Some(MessageRequest::FileContainingExtension(asked)) => {
                found("extension of", &asked.containing_type, None)
            }
            Some(MessageRequest::AllExtensionNumbersOfType(name)) => {
                let base_type_name = name.clone();
                MessageResponse::AllExtensionNumbersResponse(ExtensionNumberResponse {
                    base_type_name,
                    extension_number: Vec::new(),
                })
            }
            None => failed(Code::InvalidArgument, "the question is missing".to_owned()),
        };
        ServerReflectionResponse {
            valid_host: question.host.clone(),
            original_request: Some(question),
            message_response: Some(answer),
        }
    }
}

fn within(scope: &str, name: &str) -> String {
    if scope.is_empty() {
        name.to_owned()
    } else {
        format!("{scope}.{name}")
    }
}

fn found(what: &str, name: &str, file: Option<&Bytes>) -> MessageResponse {
    match file {
        Some(file) => MessageResponse::FileDescriptorResponse(FileDescriptorResponse {
            file_descriptor_proto: vec![file.to_vec()],
        }),
        None => failed(Code::NotFound, format!("there is no {what} {name}")),
    }
}

fn failed(code: Code, error_message: String) -> MessageResponse {
    MessageResponse::ErrorResponse(ErrorResponse {
        error_code: code.into(),
        error_message,
    })
}
