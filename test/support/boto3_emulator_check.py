"""Drives the Bedrock emulator with boto3, a client that nobody here wrote.

Usage: boto3_emulator_check.py BEDROCK_URL S3_URL BUCKET
Prints one line per check and ends with 1 at the first that fails.
"""

import base64
import json
import sys
import time
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

BEDROCK_URL, S3_URL, BUCKET = sys.argv[1:4]
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "amazon.nova-lite-v1:0"
EMBEDDING = "amazon.titan-embed-text-v2:0"
CANVAS = "amazon.nova-canvas-v1:0"
REEL = "amazon.nova-reel-v1:1"
MESSAGES = [{"role": "user", "content": [{"text": "Which way does the water go? [tokens=60]"}]}]

common = dict(region_name="us-east-1", aws_access_key_id="local", aws_secret_access_key="local")
config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
bedrock = boto3.client("bedrock-runtime", endpoint_url=BEDROCK_URL, config=config, **common)
s3 = boto3.client("s3", endpoint_url=S3_URL, config=config, **common)


def control(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{BEDROCK_URL}/_emulator/{path}", data=data, method=method)
    with urllib.request.urlopen(request) as response:
        return response.read()


def until(what, check, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = check()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}")


def converse():
    answer = bedrock.converse(modelId=CLAUDE, messages=MESSAGES, inferenceConfig={"maxTokens": 100})
    text = answer["output"]["message"]["content"][0]["text"]
    assert "Which way does the water go?" in text, text
    assert CLAUDE in text, text
    assert answer["stopReason"] == "end_turn"
    assert answer["usage"] == {"inputTokens": 10, "outputTokens": 60, "totalTokens": 70}, answer["usage"]
    assert isinstance(answer["metrics"]["latencyMs"], int)


def converse_with_image():
    content = [{"text": "What is it?"}, {"image": {"format": "png", "source": {"bytes": b"\x89PNG"}}}]
    answer = bedrock.converse(modelId=NOVA, messages=[{"role": "user", "content": content}])
    assert answer["usage"]["inputTokens"] == 1503, answer["usage"]


def converse_stream():
    answer = bedrock.converse_stream(modelId=CLAUDE, messages=MESSAGES, inferenceConfig={"maxTokens": 40})
    events = list(answer["stream"])
    kinds = [next(iter(event)) for event in events]
    assert kinds[0] == "messageStart" and kinds[-3:] == ["contentBlockStop", "messageStop", "metadata"], kinds
    assert kinds.count("contentBlockDelta") == 8, kinds
    text = "".join(e["contentBlockDelta"]["delta"]["text"] for e in events if "contentBlockDelta" in e)
    assert "Which way" in text, text
    assert events[-2]["messageStop"]["stopReason"] == "max_tokens"
    assert events[-1]["metadata"]["usage"]["outputTokens"] == 40


def invoke_model():
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
    answer = json.loads(bedrock.invoke_model(modelId=CLAUDE, body=json.dumps(body))["body"].read())
    assert answer["content"][0]["type"] == "text" and answer["usage"]["output_tokens"] > 0, answer
    answer = json.loads(bedrock.invoke_model(modelId=EMBEDDING, body=json.dumps({"inputText": "hi"}))["body"].read())
    assert len(answer["embedding"]) == 1024
    assert abs(sum(x * x for x in answer["embedding"]) - 1) < 1e-9
    body = {"taskType": "TEXT_IMAGE", "textToImageParams": {"text": "water"}}
    answer = json.loads(bedrock.invoke_model(modelId=CANVAS, body=json.dumps(body))["body"].read())
    assert base64.b64decode(answer["images"][0]).startswith(b"\x89PNG\r\n\x1a\n")


def invoke_model_with_response_stream():
    body = {"messages": [{"role": "user", "content": [{"text": "hi [tokens=25]"}]}]}
    answer = bedrock.invoke_model_with_response_stream(modelId=NOVA, body=json.dumps(body))
    chunks = [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]
    assert sum("contentBlockDelta" in chunk for chunk in chunks) == 5, chunks
    assert chunks[-1]["amazon-bedrock-invocationMetrics"]["outputTokenCount"] == 25, chunks[-1]


def count_tokens():
    counted = bedrock.count_tokens(modelId=CLAUDE, input={"converse": {"messages": MESSAGES}})
    assert counted["inputTokens"] == 10, counted


def async_invoke():
    def start(text, token):
        return bedrock.start_async_invoke(
            modelId=REEL,
            clientRequestToken=token,
            modelInput={"taskType": "TEXT_VIDEO", "textToVideoParams": {"text": text}},
            outputDataConfig={"s3OutputDataConfig": {"s3Uri": f"s3://{BUCKET}/boto3"}},
        )["invocationArn"]

    arn = start("a river", "boto3-token")
    assert start("a river", "boto3-token") == arn
    refused(lambda: start("a lake", "boto3-token"), "ConflictException", 400)

    def completed():
        invocation = bedrock.get_async_invoke(invocationArn=arn)
        assert invocation["status"] in ("InProgress", "Completed"), invocation
        return invocation if invocation["status"] == "Completed" else None

    invocation = until("the invocation is completed", completed)
    assert invocation["endTime"] >= invocation["submitTime"]
    folder = invocation["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"].removeprefix(f"s3://{BUCKET}/")
    video = s3.get_object(Bucket=BUCKET, Key=f"{folder}/output.mp4")["Body"].read()
    assert video[4:8] == b"ftyp", video
    listed = bedrock.list_async_invokes(statusEquals="Completed", maxResults=10)["asyncInvokeSummaries"]
    assert [summary["invocationArn"] for summary in listed] == [arn], listed


def refused(call, code, status):
    try:
        call()
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error.response
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == status, error.response
        assert error.response["Error"]["Message"], error.response
        return
    raise AssertionError(f"{code} did not come")


def errors():
    ask = lambda model=CLAUDE: bedrock.converse(modelId=model, messages=MESSAGES, inferenceConfig={"maxTokens": 100})
    refused(lambda: ask("nobody.knows"), "ValidationException", 400)
    for kind, code, status in [
        ("throttle", "ThrottlingException", 429),
        ("unavailable", "ServiceUnavailableException", 503),
        ("internal", "InternalServerException", 500),
        ("timeout", "ModelTimeoutException", 408),
        ("access-denied", "AccessDeniedException", 403),
    ]:
        control("PUT", "faults", {"kind": kind, "count": 1})
        refused(ask, code, status)
    control("PUT", f"models/{NOVA}", {"requestsPerMinute": 1})
    control("DELETE", "stats")
    try:
        ask(NOVA)
        refused(lambda: ask(NOVA), "ThrottlingException", 429)
    finally:
        control("DELETE", f"models/{NOVA}")


def error_in_stream():
    control("PUT", "faults", {"kind": "stream-throttle", "count": 1})
    answer = bedrock.converse_stream(modelId=CLAUDE, messages=MESSAGES, inferenceConfig={"maxTokens": 100})
    try:
        list(answer["stream"])
    except EventStreamError as error:
        assert error.response["Error"]["Code"] == "throttlingException", error.response
        return
    raise AssertionError("the stream did not break")


CHECKS = [
    converse,
    converse_with_image,
    converse_stream,
    invoke_model,
    invoke_model_with_response_stream,
    count_tokens,
    async_invoke,
    errors,
    error_in_stream,
]
for check in CHECKS:
    check()
    print(f"ok {check.__name__}")
print(f"{len(CHECKS)} checks passed with boto3 {boto3.__version__}")
