using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace RelayCore.Api;

/// <summary>Reads what a request carries; what cannot be read is refused with a sentence.</summary>
internal static class RequestText
{
    /// <summary>Largest request, in octets: as large as a rule file. Over it: 413.</summary>
    public const int MaxOctets = 16 * 1024 * 1024;

    private static readonly UTF8Encoding s_strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>A request that makes no sense.</summary>
    public static ApiException Invalid(string problem) => new(StatusCodes.Status400BadRequest, "invalid_request", problem);

    /// <summary>The text.</summary>
    public static async Task<string> ReadAsync(HttpContext context)
    {
        try
        {
            return s_strict.GetString(await OctetsAsync(context));
        }
        catch (DecoderFallbackException)
        {
            throw Invalid("the request is not UTF-8.");
        }
    }

    /// <summary>The JSON; an empty request is an empty object.</summary>
    public static async Task<JsonDocument> ReadJsonAsync(HttpContext context)
    {
        var octets = await OctetsAsync(context);
        try
        {
            return JsonDocument.Parse(octets.Length == 0 ? "{}"u8.ToArray() : octets);
        }
        catch (JsonException error)
        {
            throw Invalid($"the request is not JSON: {error.Message}");
        }
    }

    /// <summary>An object.</summary>
    public static async Task<T> ReadAsync<T>(HttpContext context, JsonTypeInfo<T> type)
    {
        try
        {
            return JsonSerializer.Deserialize(await OctetsAsync(context), type) ?? throw Invalid("the request is an object.");
        }
        catch (JsonException error)
        {
            throw Invalid($"the request is not the JSON expected{(error.Path is null ? "" : $", at {error.Path}")}.");
        }
    }

    private static async Task<byte[]> OctetsAsync(HttpContext context)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
        {
            size.MaxRequestBodySize = MaxOctets;
        }

        try
        {
            using var buffer = new MemoryStream();
            await context.Request.Body.CopyToAsync(buffer, context.RequestAborted);
            return buffer.ToArray();
        }
        catch (BadHttpRequestException error) when (error.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            throw new ApiException(StatusCodes.Status413PayloadTooLarge, "request_too_large", "A request has at most 16 MiB.");
        }
        catch (BadHttpRequestException error)
        {
            throw Invalid($"the request cannot be read: {error.Message}");
        }
    }
}
