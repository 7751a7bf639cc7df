/*
 * The same transactions through libmodsecurity's C API: the yardstick of bench/engine.
 *
 * usage: libmodsecurity RULES SECONDS REQUEST...
 * RULES is one file that includes the rest. For each request prints a line "FILE MEDIAN_US STATUS".
 */
#include <modsecurity/intervention.h>
#include <modsecurity/modsecurity.h>
#include <modsecurity/rules_set.h>
#include <modsecurity/transaction.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOST_HEADERS 64
#define MOST_RUNS 1000000

struct request {
    char *method, *target, *version;
    char *names[MOST_HEADERS], *values[MOST_HEADERS];
    int headers;
    unsigned char *body;
    size_t body_length;
};

static const char PAGE[] =
    "<!DOCTYPE html><html lang=\"en\"><head><title>Shop</title></head><body><h1>Running shoes</h1>"
    "<p>Forty-two pairs in stock, from 49.95. Free delivery within three days, returns within a month.</p>"
    "<ul><li>Road</li><li>Trail</li><li>Track</li></ul><p>Questions? Write to us, we answer within a day.</p></body></html>";

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

/* Reads a request as it goes over the wire. The text it points into is never freed. */
static int read_request(const char *path, struct request *request) {
    FILE *file = fopen(path, "rb");
    if (!file) return 0;
    size_t capacity = 1 << 20;
    char *text = malloc(capacity + 1);
    if (!text) return 0;
    size_t length = fread(text, 1, capacity, file);
    fclose(file);
    text[length] = '\0';
    char *end = strstr(text, "\r\n\r\n");
    if (!end) return 0;
    *end = '\0';
    request->body = (unsigned char *)end + 4;
    request->body_length = length - (size_t)(end + 4 - text);
    char *line = strtok(text, "\r\n");
    request->method = line;
    request->target = strchr(line, ' ');
    if (!request->target) return 0;
    *request->target++ = '\0';
    request->version = strchr(request->target, ' ');
    if (!request->version) return 0;
    *request->version++ = '\0';
    request->version = strchr(request->version, '/') ? strchr(request->version, '/') + 1 : request->version;
    request->headers = 0;
    while ((line = strtok(NULL, "\r\n")) && request->headers < MOST_HEADERS) {
        char *colon = strchr(line, ':');
        if (!colon) continue;
        *colon++ = '\0';
        while (*colon == ' ') colon++;
        request->names[request->headers] = line;
        request->values[request->headers++] = colon;
    }
    return 1;
}

static int intervened(Transaction *transaction) {
    ModSecurityIntervention found = {.status = 200, .url = NULL, .log = NULL, .disruptive = 0, .pause = 0};
    if (!msc_intervention(transaction, &found)) return 0;
    int status = found.status;
    free(found.url);
    free(found.log);
    return status;
}

static int phases(Transaction *transaction, const struct request *request) {
    int status;
    msc_process_connection(transaction, "203.0.113.7", 40000, "127.0.0.1", 80);
    msc_process_uri(transaction, request->target, request->method, request->version);
    for (int i = 0; i < request->headers; i++)
        msc_add_request_header(transaction, (unsigned char *)request->names[i], (unsigned char *)request->values[i]);
    msc_process_request_headers(transaction);
    if ((status = intervened(transaction))) return status;
    if (request->body_length) msc_append_request_body(transaction, request->body, request->body_length);
    msc_process_request_body(transaction);
    if ((status = intervened(transaction))) return status;
    msc_add_response_header(transaction, (unsigned char *)"Content-Type", (unsigned char *)"text/html; charset=utf-8");
    msc_add_response_header(transaction, (unsigned char *)"Server", (unsigned char *)"sample");
    msc_process_response_headers(transaction, 200, "HTTP 1.1");
    if ((status = intervened(transaction))) return status;
    msc_append_response_body(transaction, (const unsigned char *)PAGE, sizeof PAGE - 1);
    msc_process_response_body(transaction);
    status = intervened(transaction);
    return status ? status : 200;
}

static int transact(ModSecurity *engine, RulesSet *rules, const struct request *request) {
    Transaction *transaction = msc_new_transaction(engine, rules, NULL);
    int status = phases(transaction, request);
    msc_process_logging(transaction);
    msc_transaction_cleanup(transaction);
    return status;
}

/* Findings are produced as always, and thrown away. */
static void discard(void *data, const void *message) {
    (void)data;
    (void)message;
}

int main(int count, char **arguments) {
    if (count < 4) {
        fprintf(stderr, "usage: libmodsecurity RULES SECONDS REQUEST...\n");
        return 1;
    }
    const char *error = NULL;
    ModSecurity *engine = msc_init();
    msc_set_log_cb(engine, discard);
    RulesSet *rules = msc_create_rules_set();
    double begin = now();
    if (msc_rules_add_file(rules, arguments[1], &error) < 0) {
        fprintf(stderr, "libmodsecurity cannot load %s: %s\n", arguments[1], error ? error : "no reason given");
        return 1;
    }
    printf("load %.2f 0\n", (now() - begin) / 1e3);
    double budget = atof(arguments[2]) * 1e6;
    double *times = malloc(MOST_RUNS * sizeof *times);
    if (!times) return 1;
    for (int i = 3; i < count; i++) {
        struct request request;
        if (!read_request(arguments[i], &request)) {
            fprintf(stderr, "%s is not an HTTP request\n", arguments[i]);
            return 1;
        }
        int status = transact(engine, rules, &request), runs = 0;
        double start = now();
        while (runs < MOST_RUNS && (runs == 0 || now() - start < budget)) {
            double from = now();
            transact(engine, rules, &request);
            times[runs++] = now() - from;
        }
        qsort(times, (size_t)runs, sizeof *times, compare);
        const char *name = strrchr(arguments[i], '/');
        printf("%s %.2f %d\n", name ? name + 1 : arguments[i], times[runs / 2], status);
    }
    return 0;
}
