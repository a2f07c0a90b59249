import org.codelibs.opensearch.runner.OpenSearchRunner;

/** One OpenSearch node on loopback: OpenSearchNode FOLDER PORT. */
public final class OpenSearchNode {
  public static void main(String[] arguments) throws Exception {
    int port = Integer.parseInt(arguments[1]);
    OpenSearchRunner runner = new OpenSearchRunner();
    for (var field : OpenSearchRunner.class.getDeclaredFields()) {
      if (!field.getName().equals("maxHttpPort")) continue;
      field.setAccessible(true);
      field.set(runner, port + 1);
    }
    runner.onBuild((number, settings) -> {
      settings.put("discovery.type", "single-node");
      settings.put("network.host", "127.0.0.1");
      settings.put("http.port", port);
    });
    runner.build(OpenSearchRunner.newConfigs().basePath(arguments[0]).numOfNode(1).baseHttpPort(port - 1).clusterName("tests"));
    Thread.currentThread().join();
  }
}
