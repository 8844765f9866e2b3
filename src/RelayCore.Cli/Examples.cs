namespace RelayCore.Cli;

/// <summary>What follows the options in the help of a command: examples to copy, and exit codes where they mean something.</summary>
internal static class Examples
{
    /// <summary>The text for a command, e.g. <c>relay-core-cli run</c>; empty when there is nothing to add.</summary>
    public static string For(string command) => command switch
    {
        "relay-core-cli" =>
            """
            Examples:
              relay-core-cli run                                     start the proxy on 127.0.0.1:8080
              relay-core-cli ca install                              make this machine trust it
              relay-core-cli flows --follow                          watch what passes

            Exit codes: 0 done; 1 it did not work, standard error says why; 2 the command line is wrong.

            """,
        "relay-core-cli run" =>
            """
            Examples:
              relay-core-cli run
              relay-core-cli run -l 127.0.0.1:0 --api-port 0 --ready-file ready.json --quiet
              relay-core-cli run --passthrough '*.bank.example' --upstream http://proxy.corp.example:3128 --upstream-bypass '*.corp.example,10.0.0.0/8'
              relay-core-cli run --rules rules.yaml --anticache
              relay-core-cli run --upstream-ca test-ca.pem --timeout first-byte=10m --timeout idle=never

            A host glob is a name with * and ?, an address or a network, each with an optional :port. *.example.com does not match example.com.
            When standard output is not a terminal its only line is {"event":"ready","proxy":[...],"api":...,"ca_cert":...,"pid":...}.
            SIGINT and SIGTERM finish what is running for up to 2 seconds; a second one stops at once.

            Exit codes: 0 stopped by a signal; 1 it could not start or failed; 2 the command line is wrong; 130 or 143 stopped at once.

            """,
        "relay-core-cli ca" or "relay-core-cli ca install" or "relay-core-cli ca export" =>
            """
            Examples:
              relay-core-cli ca status                               where the CA is trusted and where not
              relay-core-cli ca install                              trust it on this machine
              relay-core-cli ca export -o relay-core.cer --der       the certificate, for a phone

            """,
        "relay-core-cli flows" or "relay-core-cli flows get" =>
            """
            Examples:
              relay-core-cli flows --host example.com --status-min 400
              relay-core-cli flows --follow --output jsonl
              relay-core-cli flows --filter 'status:>=500 method:POST checkout'
              relay-core-cli flows get last
              relay-core-cli flows get ID --body response > page.html

            """,
        "relay-core-cli flows messages" or "relay-core-cli flows inject" =>
            """
            Examples:
              relay-core-cli flows messages last
              relay-core-cli flows messages ID --follow --output jsonl
              relay-core-cli flows inject ID '{"type":"ping"}'
              relay-core-cli flows inject ID --to client --file frame.bin --type binary
              relay-core-cli flows inject ID --close 1001 --reason 'going away'

            → is from the client to the server, ← from the server to the client.

            """,
        "relay-core-cli flows why" =>
            """
            Examples:
              relay-core-cli flows why last
              relay-core-cli flows why ID

            """,
        "relay-core-cli rules" or "relay-core-cli rules test" or "relay-core-cli rules check" =>
            """
            Examples:
              relay-core-cli rules validate rules.yaml               everything that is wrong with it
              relay-core-cli rules test rules.yaml --flow-id last    what it would do to a flow, and why not more
              relay-core-cli rules check rules.yaml                  run the tests in it
              relay-core-cli rules import --from mitmproxy --modify-headers /~q/X-Test/1 > rules.json
              relay-core-cli rules add rules.yaml                    set them in the running proxy

            """,
        "relay-core-cli intercepts" or "relay-core-cli intercepts resume" =>
            """
            Examples:
              relay-core-cli intercepts list
              relay-core-cli intercepts resume KEY
              relay-core-cli intercepts resume KEY --edits '{"request_header_upserts":{"X-Trace":"7"}}'
              relay-core-cli intercepts resume KEY --edits '{"respond":{"status":503,"body":"busy"}}'

            """,
        "relay-core-cli explain" =>
            """
            Examples:
              relay-core-cli explain                                 every code
              relay-core-cli explain RC-TLS-201

            """,
        _ => "",
    };
}
