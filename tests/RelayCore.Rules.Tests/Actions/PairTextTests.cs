using CsCheck;
using RelayCore.Rules.Actions.Headers;
using Xunit;

namespace RelayCore.Rules.Tests.Actions;

/// <summary>Queries and forms, as properties.</summary>
public sealed class PairTextTests
{
    private static readonly Gen<string> s_text = Gen.String[Gen.Char["ab&=+% ü\"#"], 0, 6];
    private static readonly Gen<string> s_pairs = Gen.Select(Gen.String[Gen.Char["abc%+"], 1, 3], Gen.String[Gen.Char["xyz%+="], 0, 3], (n, v) => $"{n}={v}").List[0, 5]
        .Select(x => string.Join('&', x));

    [Fact]
    public void Set_ThenGet_IsTheValueAndOnlyThatPairChanges() =>
        Gen.Select(s_pairs, s_text, s_text, Gen.Bool).Sample((pairs, name, value, isForm) =>
        {
            var edited = PairText.Set(pairs, name, value, isForm);
            var others = (string text) => string.Join('&', text.Split('&').Where(x => x.Length > 0 && PairText.Decode(x.Split('=')[0]) != name));
            return PairText.Get(edited, name) == value && others(edited) == others(pairs)
                && edited.Split('&').Count(x => PairText.Decode(x.Split('=')[0]) == name) == 1;
        }, iter: 5000);

    [Fact]
    public void Delete_ThenGet_IsNothing() =>
        Gen.Select(s_pairs, s_text).Sample((pairs, name) =>
        {
            var edited = pairs;
            var deleted = PairText.Delete(ref edited, name);
            return PairText.Get(edited, name) is null && (deleted > 0 || edited == pairs);
        }, iter: 5000);
}
