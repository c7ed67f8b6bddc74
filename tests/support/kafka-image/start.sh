# KAFKA_NODE_ID=1 is the property node.id=1, and so on for all variables but that of the heap.
set -eu
env | sed -n '/^KAFKA_HEAP_OPTS=/d; s/^KAFKA_//p' | while IFS='=' read -r name value; do
    printf '%s=%s\n' "$(printf %s "$name" | tr 'A-Z_' 'a-z.')" "$value"
done >/tmp/server.properties
set -- java ${KAFKA_HEAP_OPTS:-} -XX:+UseSerialGC -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
    -cp '/opt/kafka/libs/*'
"$@" kafka.tools.StorageTool format --ignore-formatted --cluster-id=Y3p1amthLXRlc3RzLTAwMQ \
    --config=/tmp/server.properties
exec "$@" kafka.Kafka /tmp/server.properties
