"""The peer of opea_bench: a ChatQnA megaservice wired with OPEA's own ServiceOrchestrator, over the back ends of one port.

chatqna_peer.py BACKENDS_PORT PORT: embedding -> retriever -> reranking -> language model, with the hooks that OPEA's
megaservices have. OPEA sets hooks on the class; here they are methods of a subclass, which costs the same.
"""
import json
import sys

from comps import MegaServiceEndpoint, MicroService, ServiceOrchestrator, ServiceRoleType, ServiceType
from comps.cores.mega.utils import handle_message
from comps.cores.proto.api_protocol import (ChatCompletionRequest, ChatCompletionResponse, ChatCompletionResponseChoice,
                                            ChatMessage, UsageInfo)
from comps.cores.proto.docarray import LLMParams, RerankerParms, RetrieverParms
from fastapi import Request
from fastapi.responses import StreamingResponse

PROMPT = """### You are a helpful assistant. Answer from the search results.
### Search results: {context}
### Question: {question}
### Answer:
"""


class ChatQnaGraph(ServiceOrchestrator):
    def align_inputs(self, inputs, cur_node, runtime_graph, llm_parameters_dict, **kwargs):
        kind = self.services[cur_node].service_type
        if kind == ServiceType.EMBEDDING:
            return {"inputs": inputs["text"]}
        if kind == ServiceType.RETRIEVER:
            inputs.update(kwargs["retriever_parameters"].dict())
            return inputs
        if kind == ServiceType.LLM:
            return {"model": "instant", "messages": [{"role": "user", "content": inputs["inputs"]}],
                    "max_tokens": llm_parameters_dict["max_tokens"], "top_p": llm_parameters_dict["top_p"],
                    "stream": inputs["stream"], "frequency_penalty": inputs["frequency_penalty"],
                    "temperature": inputs["temperature"]}
        return inputs

    def align_outputs(self, data, cur_node, inputs, runtime_graph, llm_parameters_dict, **kwargs):
        kind = self.services[cur_node].service_type
        if kind == ServiceType.EMBEDDING:
            return {"text": inputs["inputs"], "embedding": data[0]}
        if kind == ServiceType.RETRIEVER:
            return {"query": data["initial_query"], "texts": [doc["text"] for doc in data["retrieved_docs"]]}
        if kind == ServiceType.RERANK:
            best = [inputs["texts"][score["index"]] for score in data[: kwargs["reranker_parameters"].top_n]]
            return {"inputs": PROMPT.format(context="\n".join(best), question=inputs["query"])}
        return {"text": data["choices"][0]["message"]["content"]}

    def align_generator(self, gen, **kwargs):
        for chunk in gen:
            line = chunk.decode("utf-8")
            try:
                delta = json.loads(line[line.find("{"): line.rfind("}") + 1])["choices"][0]["delta"]
                if "content" in delta:
                    yield f"data: {repr(delta['content'].encode('utf-8'))}\n\n"
            except (json.JSONDecodeError, KeyError, IndexError):
                yield f"data: {repr(line.encode('utf-8'))}\n\n"
        yield "data: [DONE]\n\n"


class ChatQna:
    def __init__(self, backends, port):
        self.graph = ChatQnaGraph()
        self.port = port
        steps = [("embedding", ServiceType.EMBEDDING, "/embed"), ("retriever", ServiceType.RETRIEVER, "/v1/retrieval"),
                 ("rerank", ServiceType.RERANK, "/rerank"), ("llm", ServiceType.LLM, "/v1/chat/completions")]
        services = [MicroService(name=name, host="127.0.0.1", port=backends, endpoint=path, use_remote_service=True,
                                 service_type=kind) for name, kind, path in steps]
        for service in services:
            self.graph.add(service)
        for before, after in zip(services, services[1:]):
            self.graph.flow_to(before, after)

    async def handle(self, request: Request):
        data = await request.json()
        chat = ChatCompletionRequest.model_validate(data)
        stream = data.get("stream", True)
        parameters = LLMParams(max_tokens=chat.max_tokens or 1024, top_k=chat.top_k or 10, top_p=chat.top_p or 0.95,
                               temperature=chat.temperature or 0.01, stream=stream)
        results, graph = await self.graph.schedule(
            initial_inputs={"text": handle_message(chat.messages)}, llm_parameters=parameters,
            retriever_parameters=RetrieverParms(k=chat.k), reranker_parameters=RerankerParms(top_n=chat.top_n))
        for response in results.values():
            if isinstance(response, StreamingResponse):
                return response
        text = results[graph.all_leaves()[-1]]["text"]
        choice = ChatCompletionResponseChoice(index=0, message=ChatMessage(role="assistant", content=text),
                                              finish_reason="stop")
        return ChatCompletionResponse(model="chatqna", choices=[choice], usage=UsageInfo())

    def start(self):
        service = MicroService("ChatQnA", service_role=ServiceRoleType.MEGASERVICE, host="127.0.0.1", port=self.port,
                               endpoint=str(MegaServiceEndpoint.CHAT_QNA), input_datatype=ChatCompletionRequest,
                               output_datatype=ChatCompletionResponse)
        service.add_route(str(MegaServiceEndpoint.CHAT_QNA), self.handle, methods=["POST"])
        service.start()


if __name__ == "__main__":
    ChatQna(int(sys.argv[1]), int(sys.argv[2])).start()
