//! Server reflection: tells tools which services and messages there are, with their documentation.
//!
//! A question that has no answer is answered so, and the stream goes on: clients ask on one stream
//! for all that they want to know. Its messages are those of both versions, v1 and v1alpha.
use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use http_body::Body;
use prost_reflect::{DescriptorError, DescriptorPool, FileDescriptor};
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

/// How many streams of requests may be open at once.
const STREAMS_MAX: usize = 100;
/// How long a stream without requests stays open; its caller may open another.
const IDLE: Duration = Duration::from_mins(1);

/// Answers questions about descriptors.
pub(super) struct Reflection {
    contract: Arc<DescriptorPool>,
    streams: Arc<Semaphore>,
}

impl Reflection {
    /// Reflects on sets of encoded files.
    ///
    /// # Errors
    ///
    /// When one of them cannot be read.
    pub(super) fn of(sets: &[&'static [u8]]) -> Result<Self, DescriptorError> {
        let mut contract = DescriptorPool::new();
        for set in sets {
            contract.decode_file_descriptor_set(*set)?;
        }
        Ok(Self {
            contract: Arc::new(contract),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
        })
    }

    /// Answers the questions of one call, until it asks no more, or the replica leaves.
    pub(super) fn answer<B>(
        &self,
        request: Request<B>,
        call: &RequestContext,
        bodies: &RequestBodies,
        shutdown: &CancellationToken,
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
            shutdown: shutdown.clone(),
            gate: None,
        };
        let (head, body) = request.into_parts();
        let questions = Upload::new(body, head.headers, bodies, call);
        let contract = Arc::clone(&self.contract);
        let answers = stream::try_unfold((questions, contract), next_answer);
        open(answers.boxed(), call, limits)
    }
}

type Questions<B> = (Upload<B>, Arc<DescriptorPool>);

async fn next_answer<B>(
    (mut questions, contract): Questions<B>,
) -> Result<Option<(Bytes, Questions<B>)>, Status>
where
    B: Body<Data = Bytes> + Unpin,
{
    let begins = timeout(IDLE, questions.begins()).await;
    if !begins.unwrap_or(Ok(false))? {
        return Ok(None);
    }
    let question = questions.next().await?;
    let answer = question.map(|question| framed(&answer(&contract, question)));
    Ok(answer.map(|answer| (answer, (questions, contract))))
}

fn answer(
    contract: &DescriptorPool,
    question: ServerReflectionRequest,
) -> ServerReflectionResponse {
    let answer = match &question.message_request {
        Some(MessageRequest::ListServices(_)) => {
            let services = contract.services();
            let mut names: Vec<_> = services.map(|it| it.full_name().to_owned()).collect();
            names.sort_unstable();
            let service = names.into_iter().map(|name| ServiceResponse { name });
            let service = service.collect();
            MessageResponse::ListServicesResponse(ListServiceResponse { service })
        }
        Some(MessageRequest::FileByFilename(name)) => {
            found("file", name, contract.get_file_by_name(name))
        }
        Some(MessageRequest::FileContainingSymbol(name)) => {
            found("symbol", name, defining_file(contract, name))
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

/// The file that defines a message, an enum, a service, or a part of one.
fn defining_file(contract: &DescriptorPool, symbol: &str) -> Option<FileDescriptor> {
    let is = |name: &str| name == symbol;
    let message = contract.all_messages().find(|message| {
        is(message.full_name())
            || message.fields().any(|field| is(field.full_name()))
            || message.oneofs().any(|oneof| is(oneof.full_name()))
    });
    let values = || {
        contract.all_enums().find(|values| {
            is(values.full_name()) || values.values().any(|value| is(value.full_name()))
        })
    };
    let service = || {
        contract.services().find(|service| {
            is(service.full_name()) || service.methods().any(|method| is(method.full_name()))
        })
    };
    let file = message.map(|message| message.parent_file());
    file.or_else(|| Some(values()?.parent_file()))
        .or_else(|| Some(service()?.parent_file()))
}

fn found(what: &str, name: &str, file: Option<FileDescriptor>) -> MessageResponse {
    match file {
        // Encoded by the pool, which keeps options that are not known here.
        Some(file) => MessageResponse::FileDescriptorResponse(FileDescriptorResponse {
            file_descriptor_proto: vec![file.encode_to_vec()],
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
