package network.ciro.connect;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.AbstractConfig;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.errors.RetriableException;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.sink.SinkTask;

/**
 * Posts rows in order, one at a time. Rows may come twice, after an answer that is no success and after a crash:
 * the receiver knows them by `Idempotency-Key`. An answer 4xx other than 408 and 429 stops the task: the
 * receiver says that it will never take the row, and leaving rows out of a bill is not for a connector to decide.
 */
public final class HttpSinkTask extends SinkTask {
    private final JsonConverter json = new JsonConverter();
    private AbstractConfig config;
    private HttpClient client;
    /** The offset after the last row that was taken, by partition: Connect calls again with the whole batch. */
    private final Map<TopicPartition, Long> taken = new HashMap<>();

    @Override
    public void start(Map<String, String> settings) {
        config = new AbstractConfig(HttpSinkConnector.CONFIG, settings);
        json.configure(Map.of("schemas.enable", "false"), false);
        client = HttpClient.newBuilder().connectTimeout(timeout()).build();
    }

    @Override
    public void put(Collection<SinkRecord> records) {
        for (SinkRecord record : records) {
            TopicPartition partition = new TopicPartition(record.topic(), record.kafkaPartition());
            if (record.kafkaOffset() >= taken.getOrDefault(partition, 0L)) {
                post(record);
                taken.put(partition, record.kafkaOffset() + 1);
            }
        }
    }

    /** What these partitions bring next is what the group committed, which may be less than was taken. */
    @Override
    public void open(Collection<TopicPartition> partitions) {
        taken.keySet().removeAll(partitions);
    }

    private void post(SinkRecord record) {
        if (!(record.value() instanceof Struct row)) {
            throw new DataException("expected a row with a schema in " + record.topic());
        }
        Object id = row.get(config.getString("id.field"));
        byte[] body = json.fromConnectData(record.topic(), record.valueSchema(), row);
        HttpRequest request = HttpRequest.newBuilder(URI.create(config.getString("url")))
            .timeout(timeout())
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", record.topic() + ":" + id)
            .POST(HttpRequest.BodyPublishers.ofByteArray(body))
            .build();
        int status;
        try {
            status = client.send(request, HttpResponse.BodyHandlers.discarding()).statusCode();
        } catch (IOException error) {
            throw later("the receiver does not answer", error);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
            throw later("interrupted", error);
        }
        if (status / 100 == 2) {
            return;
        }
        if (status / 100 == 4 && status != 408 && status != 429) {
            throw new ConnectException("the receiver refuses row " + id + " with status " + status);
        }
        throw later("the receiver answers row " + id + " with status " + status, null);
    }

    /** Connect calls again with the same rows, after the pause. */
    private RetriableException later(String reason, Exception cause) {
        context.timeout(config.getInt("backoff.ms"));
        return new RetriableException(reason, cause);
    }

    private Duration timeout() {
        return Duration.ofMillis(config.getInt("timeout.ms"));
    }

    @Override
    public void stop() {}

    @Override
    public String version() {
        return "1";
    }
}
