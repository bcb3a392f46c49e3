"""fastmcp - a FastMCP server of the official Python SDK for the interop suite.   fastmcp.py stdio|http|sse PORT"""
import asyncio
import sys

from mcp.server.fastmcp import Context, FastMCP
from mcp.server.fastmcp.prompts import base
from mcp.types import Completion, SamplingMessage, TextContent
from pydantic import BaseModel

way, port = sys.argv[1], int(sys.argv[2])
mcp = FastMCP("python", instructions="From Python: ü 漢", host="127.0.0.1", port=port, log_level="WARNING")


class Weather(BaseModel):
    place: str
    degrees: float


class Name(BaseModel):
    name: str
    check: bool = False


@mcp.tool()
def echo(message: str) -> str:
    """Says it again"""
    return message


@mcp.tool()
def weather(place: str) -> Weather:
    """Structured"""
    return Weather(place=place, degrees=21.5)


@mcp.tool()
def fails() -> str:
    """Raises"""
    raise ValueError("the tool says no")


@mcp.tool()
async def wait(ms: int) -> str:
    """Waits"""
    await asyncio.sleep(ms / 1000)
    return f"waited {ms}"


@mcp.tool()
async def steps(count: int, ctx: Context) -> str:
    """Reports progress and logs"""
    for n in range(1, count + 1):
        await ctx.report_progress(n, count, f"step {n}")
        await ctx.info(f"log {n}")
        await asyncio.sleep(0.15)
    return "done"


@mcp.tool()
async def sample(prompt: str, ctx: Context) -> str:
    """Asks the client's model"""
    message = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    result = await ctx.session.create_message(messages=[message], max_tokens=10)
    return result.content.text


@mcp.tool()
async def ask(ctx: Context) -> str:
    """Asks the person"""
    result = await ctx.elicit("Who?", Name)
    return f"{result.action} {result.data.name if result.action == 'accept' else ''}"


@mcp.tool()
async def roots(ctx: Context) -> str:
    """Asks for the roots"""
    result = await ctx.session.list_roots()
    return " ".join(str(root.uri) for root in result.roots)


@mcp.tool()
async def touch(ctx: Context) -> str:
    """Says that the lists changed"""
    await ctx.session.send_tool_list_changed()
    await ctx.session.send_resource_list_changed()
    await ctx.session.send_prompt_list_changed()
    return "touched"


@mcp.tool()
def big(size: int) -> str:
    """A long text"""
    return "B" * size


@mcp.resource("python://greeting", mime_type="text/plain")
def greeting() -> str:
    """A resource"""
    return "hello from Python"


@mcp.resource("python://item/{number}")
def item(number: str) -> bytes:
    """A template"""
    return number.encode()


@mcp.prompt(title="Review")
def review(code: str) -> list[base.Message]:
    """A prompt"""
    return [base.UserMessage(f"Review: {code}"), base.AssistantMessage("Gladly")]


@mcp.completion()
async def complete(ref, argument, context):
    return Completion(values=[argument.value + "-a", argument.value + "-b"], hasMore=False)


if way != "stdio":
    print(f"listening on port {port}", file=sys.stderr, flush=True)
mcp.run({"stdio": "stdio", "http": "streamable-http", "sse": "sse"}[way])
