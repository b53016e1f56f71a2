package network.ciro.connect;

import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.connect.connector.Task;
import org.apache.kafka.connect.sink.SinkConnector;

/** Posts each row to a web address: a template for a payment gateway, and what the tests use. */
public final class HttpSinkConnector extends SinkConnector {
    static final ConfigDef CONFIG = new ConfigDef()
        .define("url", ConfigDef.Type.STRING, ConfigDef.Importance.HIGH, "Where rows are posted to")
        .define("id.field", ConfigDef.Type.STRING, "event_seq", ConfigDef.Importance.HIGH,
            "The field that tells whether a row was seen before; goes into `Idempotency-Key`")
        .define("timeout.ms", ConfigDef.Type.INT, 10_000, ConfigDef.Range.between(1, 600_000),
            ConfigDef.Importance.LOW, "How long the address may take to answer")
        .define("backoff.ms", ConfigDef.Type.INT, 500, ConfigDef.Range.between(1, 600_000),
            ConfigDef.Importance.LOW, "The pause after an answer that is no success");

    private Map<String, String> settings = Collections.emptyMap();

    @Override
    public void start(Map<String, String> settings) {
        this.settings = settings;
    }

    @Override
    public Class<? extends Task> taskClass() {
        return HttpSinkTask.class;
    }

    @Override
    public List<Map<String, String>> taskConfigs(int tasks) {
        return Collections.nCopies(tasks, settings);
    }

    @Override
    public void stop() {}

    @Override
    public ConfigDef config() {
        return CONFIG;
    }

    @Override
    public String version() {
        return "1";
    }
}
