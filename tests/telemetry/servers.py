"""The OpenTelemetry Collector and Jaeger, real ones, for the tests in this folder.

A program comes from the folder that TESSERA_TOOLS names (NAME, or NAME.xz), else from the cache, else it is built there from
Go modules that the folder of its name pins; the Collector in a minute or two, Jaeger in many."""
import fcntl
import hashlib
import json
import lzma
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGES = {"otelcol": ".", "jaeger": "github.com/jaegertracing/jaeger/cmd/jaeger"}


def go_is_new_enough():
    if shutil.which("go") is None:
        return False
    said = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True).stdout
    found = re.match(r"go(\d+)\.(\d+)", said)
    return bool(found) and (int(found[1]), int(found[2])) >= (1, 24)


def program(name):
    """Its path; None where it can neither be found nor built."""
    tools = os.environ.get("TESSERA_TOOLS")
    cache = os.environ.get("TESSERA_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "tessera")
    if tools and os.access(os.path.join(tools, name), os.X_OK):
        return os.path.join(tools, name)
    folder = os.path.join(HERE, name)
    digest = hashlib.sha256()
    for file in sorted(os.listdir(folder)):
        with open(os.path.join(folder, file), "rb") as content:
            digest.update(content.read())
    made = os.path.join(cache, "test-servers", f"{name}-{digest.hexdigest()[:12]}")
    os.makedirs(os.path.dirname(made), exist_ok=True)
    with open(made + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(made):
            return made
        temporary = made + ".new"
        if tools and os.path.exists(os.path.join(tools, name + ".xz")):
            with lzma.open(os.path.join(tools, name + ".xz")) as packed, open(temporary, "wb") as out:
                shutil.copyfileobj(packed, out)
        elif go_is_new_enough():
            subprocess.run(["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", temporary, PACKAGES[name]], cwd=folder,
                           check=True, env=os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod"})
        else:
            return None
        os.chmod(temporary, 0o755)
        os.rename(temporary, made)
    return made


def get_json(url, timeout=20):
    with urllib.request.urlopen(url, timeout=timeout) as reply:
        return json.load(reply)


def wait_for(what, seconds, look):
    """What `look` gives as soon as that is something; it polls a process of another program."""
    until = time.monotonic() + seconds
    while True:
        try:
            found = look()
        except (OSError, urllib.error.URLError, ValueError):
            found = None
        if found:
            return found
        if time.monotonic() > until:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.1)


class Process:
    def __init__(self, name, words, config, folder):
        self.config = os.path.join(folder, name + ".yaml")
        with open(self.config, "w", encoding="utf-8") as file:
            json.dump(config, file)  # JSON is YAML
        self.log = open(os.path.join(folder, name + ".log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen([words, "--config", "file:" + self.config], stdout=self.log,
                                        stderr=subprocess.STDOUT)

    def said(self):
        self.log.flush()
        with open(self.log.name, encoding="utf-8") as file:
            return file.read()

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()


class Collector(Process):
    """Writes what it gets, whole, to a log; hands it on to `jaeger` where there is one."""

    def __init__(self, binary, folder, http_port, grpc_port, jaeger_port=None, tls=None):
        exporters = {"debug": {"verbosity": "detailed"}}
        secure = {"tls": tls} if tls else {}
        if jaeger_port:
            exporters["otlp"] = {"endpoint": f"127.0.0.1:{jaeger_port}", "tls": {"insecure": True}}
        super().__init__("otelcol", binary, {
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{http_port}", **secure},
                                                 "grpc": {"endpoint": f"127.0.0.1:{grpc_port}", **secure}}}},
            "exporters": exporters,
            "service": {"telemetry": {"metrics": {"level": "none"}},
                        "pipelines": {"traces": {"receivers": ["otlp"], "exporters": list(exporters)},
                                      **{signal: {"receivers": ["otlp"], "exporters": ["debug"]}
                                         for signal in ("metrics", "logs")}}}}, folder)
        wait_for("the collector", 60, lambda: "Everything is ready" in self.said() or
                 (self.process.poll() is not None and self.fail()))

    def fail(self):
        raise AssertionError(self.said())

    def lines_of(self, begin):
        """Those of one signal, whose requests say `begin` for each resource."""
        inside = False
        for line in self.said().splitlines():
            if any(resource in line for resource in ("ResourceSpans #", "ResourceMetrics #", "ResourceLog #")):
                inside = begin in line
            if inside:
                yield line.strip()

    def spans(self):
        """What it got: [{"trace", "id", "parent", "name", "kind", "status", attributes…}], as its log has them."""
        return self.items("ResourceSpans #", "Span #", "Trace ID|Parent ID|ID|Name|Kind|Status code|TraceState")

    def records(self):
        """Log records that it got: [{"resource", "attributes", "Body", "Trace ID" …}]."""
        return self.items("ResourceLog #", "LogRecord #", "Trace ID|Span ID|Body|SeverityText|Timestamp")

    def items(self, resources, begin, fields):
        found = []
        resource, target = {}, {}
        for text in self.lines_of(resources):
            if resources in text:  # behind the time, where a request begins
                resource = {}
                target = resource
            elif text.startswith(begin):
                found.append({"resource": resource, "attributes": {}})
                target = found[-1]["attributes"]
            elif match := re.match(r"-> ([^:]+): \w+\((.*)\)$", text):
                target[match[1]] = match[2]
            elif found and (match := re.match(rf"({fields}) *: ?(.*)$", text)):
                found[-1][match[1]] = match[2]
        return found

    def points(self):
        """Data points that it got: [{"name", "resource", "attributes", "Value" or "Count" …, "exemplars"}]."""
        found = []
        resource, metric, target = {}, {}, {}
        for text in self.lines_of("ResourceMetrics #"):
            if "ResourceMetrics #" in text:
                resource = {}
                target = resource
            elif text.startswith("Metric #"):
                metric, target = {}, {}
            elif re.match(r"(NumberDataPoints|HistogramDataPoints) #", text):
                found.append({"resource": resource, "metric": metric, "attributes": {}, "exemplars": []})
                target = found[-1]["attributes"]
            elif match := re.match(r"-> (Name|Unit|DataType|AggregationTemporality|IsMonotonic): (.*)$", text):
                metric[match[1]] = match[2]
            elif text.startswith("Exemplar #"):
                found[-1]["exemplars"].append({})
            elif match := re.match(r"-> (Trace ID|Span ID): (.*)$", text):
                found[-1]["exemplars"][-1][match[1]] = match[2]
            elif match := re.match(r"-> ([^:]+): \w+\((.*)\)$", text):
                target[match[1]] = match[2]
            elif found and (match := re.match(r"(Value|Count|Sum|StartTimestamp): (.*)$", text)):
                found[-1][match[1]] = match[2]
        return found


class Jaeger(Process):
    def __init__(self, binary, folder, query_port, grpc_port, spare_ports):
        self.url = f"http://127.0.0.1:{query_port}"
        super().__init__("jaeger", binary, {
            "service": {"extensions": ["jaeger_storage", "jaeger_query", "healthcheckv2"],
                        "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}},
                        "telemetry": {"metrics": {"level": "none"}}},
            "extensions": {"healthcheckv2": {"use_v2": True, "http": {"endpoint": f"127.0.0.1:{spare_ports[0]}"}},
                           "jaeger_query": {"storage": {"traces": "mem"},
                                            "http": {"endpoint": f"127.0.0.1:{query_port}"},
                                            "grpc": {"endpoint": f"127.0.0.1:{spare_ports[1]}"}},
                           "jaeger_storage": {"backends": {"mem": {"memory": {"max_traces": 10000}}}}},
            "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"127.0.0.1:{grpc_port}"}}}},
            "exporters": {"jaeger_storage_exporter": {"trace_storage": "mem"}}}, folder)
        wait_for("Jaeger", 60, lambda: get_json(self.url + "/api/services") is not None)

    def trace(self, trace_id, spans_min, seconds=20):
        """Its spans, once there are so many."""
        def look():
            data = get_json(f"{self.url}/api/traces/{trace_id}")["data"]
            return data if data and len(data[0]["spans"]) >= spans_min else None
        return wait_for(f"trace {trace_id} with {spans_min} spans in Jaeger", seconds, look)[0]


def temporary_folder():
    return tempfile.mkdtemp(prefix="tessera-telemetry-")
