package tessera.tests;

import java.util.List;
import org.elasticsearch.common.settings.Setting;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.xpack.core.ilm.LifecycleSettings;

/** Makes known to this distribution, which runs no policies, the setting by which an index has one: Elasticsearch's own definition. */
public final class LifecycleSettingsPlugin extends Plugin {
  @Override
  public List<Setting<?>> getSettings() {
    return List.of(LifecycleSettings.LIFECYCLE_NAME_SETTING);
  }
}
