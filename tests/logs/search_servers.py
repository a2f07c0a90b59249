"""Real OpenSearch and Elasticsearch, fetched from Maven Central once a user and machine."""
import base64
import fcntl
import glob
import hashlib
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from log_platform import SLOWNESS, free_port, wait_until  # noqa: E402

CACHE = os.environ.get("TESSERA_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "tessera")
ELASTICSEARCH = "8.19.21"
ELASTICSEARCH_SHA256 = "215d5f3dbf0609a149f6218a9e47b6ae2df34ebbff3c5754e35f15a5e5393c8a"


def cached(name, make):
    """The folder CACHE/name, made by make(folder) by one process at a time; whole or not there."""
    folder = os.path.join(CACHE, name)
    os.makedirs(os.path.join(CACHE, "locks"), exist_ok=True)
    with open(os.path.join(CACHE, "locks", name), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(folder):
            part = tempfile.mkdtemp(prefix=name + ".", dir=CACHE)
            os.chmod(part, 0o755)
            try:
                make(part)
                os.rename(part, folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
    return folder


def run(*command, cwd, environment=None):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=900, env={**os.environ, **(environment or {})})
    if done.returncode != 0:
        raise RuntimeError(f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.stdout


def make_opensearch(folder):
    for name in ("pom.xml", "OpenSearchNode.java"):
        shutil.copy(os.path.join(HERE, "opensearch", name), folder)
    run("mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib", "-DincludeScope=runtime", cwd=folder)
    run("javac", "-cp", "lib/*", "OpenSearchNode.java", cwd=folder)


def make_elasticsearch(folder):
    artifact = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{ELASTICSEARCH}:zip"
    run("mvn", "-q", "-B", "dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={folder}", cwd=folder)
    for archive in glob.glob(os.path.join(folder, "*.zip")):
        with open(archive, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != ELASTICSEARCH_SHA256:
            raise RuntimeError(f"{artifact}: its sha256 is {found}, wanted was {ELASTICSEARCH_SHA256}")
        with zipfile.ZipFile(archive) as file:
            for entry in file.infolist():
                path = file.extract(entry, folder)
                if entry.external_attr >> 16 & 0o111:
                    os.chmod(path, 0o755)
        os.unlink(archive)


class SearchServer:
    """Runs while the test case does. `headers`: what it wants of those who ask."""

    headers = {}

    def __init__(self, case, command, environment, folder, port):
        self.url = f"http://127.0.0.1:{port}"
        output = open(os.path.join(folder, "output"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, **environment})
        case.addCleanup(output.close)
        case.addCleanup(self.process.wait)
        case.addCleanup(self.process.kill)
        start = time.monotonic()
        health = urllib.request.Request(self.url + "/_cluster/health?wait_for_status=yellow&timeout=1s", headers=self.headers)

        def ready():
            if self.process.poll() is not None:
                output.seek(0)
                case.fail(output.read()[-3000:])
            try:
                with urllib.request.urlopen(health, timeout=5) as reply:
                    return reply.status == 200
            except OSError:
                return False
        case.assertTrue(wait_until(ready, 300, 0.3))
        print(f"{type(self).__name__} after {time.monotonic() - start:.0f} s", flush=True)


class OpenSearch(SearchServer):
    def __init__(self, case):
        recipe = hashlib.sha256()
        for name in ("pom.xml", "OpenSearchNode.java"):
            with open(os.path.join(HERE, "opensearch", name), "rb") as file:
                recipe.update(file.read())
        program = cached("opensearch-" + recipe.hexdigest()[:12], make_opensearch)
        folder = tempfile.TemporaryDirectory(prefix="tessera-opensearch-")
        case.addCleanup(folder.cleanup)
        port = free_port()
        command = ["java", "-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.security.manager=allow",
                   "-cp", f"{program}/lib/*:{program}", "OpenSearchNode", os.path.join(folder.name, "node"), str(port)]
        super().__init__(case, command, {}, folder.name, port)


def add_lifecycle_settings(home, folder):
    """The plugin elasticsearch/LifecycleSettingsPlugin.java, built and put where it is found."""
    plugin = os.path.join(home, "plugins", "lifecycle-settings")
    os.makedirs(plugin)
    classes = os.path.join(folder, "classes")
    source = os.path.join(HERE, "elasticsearch", "LifecycleSettingsPlugin.java")
    run("javac", "-cp", policy_classes(home), "-d", classes, source, cwd=folder)
    with zipfile.ZipFile(os.path.join(plugin, "lifecycle-settings.jar"), "w") as jar:
        name = "tessera/tests/LifecycleSettingsPlugin.class"
        jar.write(os.path.join(classes, name), name)
    with open(os.path.join(plugin, "plugin-descriptor.properties"), "w", encoding="utf-8") as file:
        file.write("name=lifecycle-settings\ndescription=for tests\nversion=1\njava.version=17\n"
                   f"elasticsearch.version={ELASTICSEARCH}\nclassname=tessera.tests.LifecycleSettingsPlugin\n"
                   "extended.plugins=x-pack-core\n")


def policy_classes(home):
    return f"{home}/lib/*:{home}/modules/x-pack-core/*"


class Elasticsearch(SearchServer):
    """With its security on, as it comes. WRITER may do what docs/logs.md says is enough; who asks here may do everything."""

    WRITER = "writer"
    PASSWORD = "of-the-log"
    headers = {"Authorization": "Basic " + base64.b64encode(f"tests:{PASSWORD}".encode()).decode()}

    def __init__(self, case):
        program = cached("elasticsearch-" + ELASTICSEARCH, make_elasticsearch)
        folder = tempfile.TemporaryDirectory(prefix="tessera-elasticsearch-", ignore_cleanup_errors=True)
        case.addCleanup(folder.cleanup)
        home = os.path.join(folder.name, "home")
        shutil.copytree(os.path.join(program, f"elasticsearch-{ELASTICSEARCH}"), home)
        add_lifecycle_settings(home, folder.name)
        self.home = home
        port = free_port()
        with open(os.path.join(home, "config", "elasticsearch.yml"), "w", encoding="utf-8") as file:
            file.write(f"network.host: 127.0.0.1\nhttp.port: {port}\ntransport.port: {free_port()}\ndiscovery.type: single-node\n"
                       f"xpack.security.enabled: true\nxpack.security.http.ssl.enabled: false\n"
                       f"path.data: {folder.name}/data\n")
        java = os.path.dirname(os.path.dirname(os.path.realpath(shutil.which("java"))))
        environment = {"ES_JAVA_HOME": java, "ES_JAVA_OPTS": "-Xms512m -Xmx512m"}
        with open(os.path.join(home, "config", "roles.yml"), "a", encoding="utf-8") as file:
            file.write(f"{self.WRITER}:\n  indices:\n  - {{names: [logs-tessera-*], privileges: [auto_configure, create_doc]}}\n")
        for user, role in (("tests", "superuser"), (self.WRITER, self.WRITER)):
            run(os.path.join(home, "bin", "elasticsearch-users"), "useradd", user, "-p", self.PASSWORD, "-r", role, cwd=home,
                environment=environment)
        command = [os.path.join(home, "bin", "elasticsearch")]
        if os.getuid() == 0:  # it refuses to be root
            nobody = pwd.getpwnam("nobody")
            os.chmod(folder.name, 0o755)
            for path, _, names in os.walk(folder.name):
                for name in [path, *(os.path.join(path, one) for one in names)]:
                    os.chown(name, nobody.pw_uid, nobody.pw_gid)
            command = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", *command]
        super().__init__(case, command, environment, folder.name, port)

    def policy_steps(self, path):
        """What Elasticsearch's own classes make of a policy: the steps (phase, action, name); a RuntimeError where they refuse it."""
        said = run("java", "-cp", policy_classes(self.home), os.path.join(HERE, "elasticsearch", "PolicySteps.java"), path, cwd=HERE)
        return [tuple(line.split()) for line in said.splitlines()]


__all__ = ["Elasticsearch", "OpenSearch", "SLOWNESS"]
