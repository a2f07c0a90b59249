import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.core.TimeValue;
import org.elasticsearch.xcontent.NamedXContentRegistry;
import org.elasticsearch.xcontent.ParseField;
import org.elasticsearch.xcontent.XContentParser;
import org.elasticsearch.xcontent.XContentParserConfiguration;
import org.elasticsearch.xcontent.json.JsonXContent;
import org.elasticsearch.xpack.core.ilm.DeleteAction;
import org.elasticsearch.xpack.core.ilm.ForceMergeAction;
import org.elasticsearch.xpack.core.ilm.LifecycleAction;
import org.elasticsearch.xpack.core.ilm.LifecyclePolicy;
import org.elasticsearch.xpack.core.ilm.LifecycleType;
import org.elasticsearch.xpack.core.ilm.RolloverAction;
import org.elasticsearch.xpack.core.ilm.Step;
import org.elasticsearch.xpack.core.ilm.TimeseriesLifecycleType;
import org.elasticsearch.xpack.core.ilm.action.PutLifecycleRequest;

/** Reads the body of PUT _ilm/policy as Elasticsearch does and prints the steps that it makes of it: PolicySteps FILE. */
public final class PolicySteps {
  public static void main(String[] arguments) throws Exception {
    LogConfigurator.configureESLogging();
    var registry = new NamedXContentRegistry(List.of(
        new NamedXContentRegistry.Entry(LifecycleType.class, new ParseField(TimeseriesLifecycleType.TYPE),
                                        parser -> TimeseriesLifecycleType.INSTANCE),
        new NamedXContentRegistry.Entry(LifecycleAction.class, new ParseField(RolloverAction.NAME), RolloverAction::parse),
        new NamedXContentRegistry.Entry(LifecycleAction.class, new ParseField(ForceMergeAction.NAME), ForceMergeAction::parse),
        new NamedXContentRegistry.Entry(LifecycleAction.class, new ParseField(DeleteAction.NAME), DeleteAction::parse)));
    var configuration = XContentParserConfiguration.EMPTY.withRegistry(registry);
    LifecyclePolicy policy;
    try (XContentParser parser =
             JsonXContent.jsonXContent.createParser(configuration, Files.newInputStream(Path.of(arguments[0])))) {
      policy = PutLifecycleRequest.parseRequest(new PutLifecycleRequest.Factory() {
        public String getPolicyName() {
          return "logs-tessera";
        }
        public PutLifecycleRequest create(LifecyclePolicy read) {
          return new PutLifecycleRequest(TimeValue.MINUS_ONE, TimeValue.MINUS_ONE, read);
        }
      }, parser).getPolicy();
    }
    policy.validate();
    for (Step step : policy.toSteps(null, null)) {
      System.out.println(step.getKey().phase() + " " + step.getKey().action() + " " + step.getKey().name());
    }
  }
}
