using System.Globalization;

namespace RelayCore.Load.Measure;

/// <summary>What a process and its descendants have used so far.</summary>
/// <param name="CpuSeconds">User and system time, waited-for children included.</param>
/// <param name="RssOctets">Resident now (VmRSS), summed over the tree.</param>
/// <param name="PeakRssOctets">Most that was resident (VmHWM) since the start or <see cref="ProcessTree.ResetPeak"/>, summed over the tree.</param>
internal readonly record struct ProcessUsage(double CpuSeconds, long RssOctets, long PeakRssOctets);

/// <summary>Reads a process tree's use of CPU and memory from /proc (Linux).</summary>
internal static class ProcessTree
{
    private const double TicksPerSecond = 100; // USER_HZ, fixed for user space on every Linux architecture .NET runs on

    /// <exception cref="BenchmarkException">The process has ended.</exception>
    public static ProcessUsage Sample(int pid)
    {
        var (ticks, rss, peak) = (0L, 0L, 0L);
        foreach (var member in Members(pid))
        {
            if (StatFields(member) is not { } stat)
            {
                if (member == pid)
                {
                    throw new BenchmarkException($"process {pid} has ended.");
                }

                continue;
            }

            // Fields 14 to 17: utime, stime, cutime, cstime; counted here from field 3, the first after the command name.
            ticks += stat[11..15].Sum(field => long.Parse(field, CultureInfo.InvariantCulture));
            rss += StatusOctets(member, "VmRSS:");
            peak += StatusOctets(member, "VmHWM:");
        }

        return new(ticks / TicksPerSecond, rss, peak);
    }

    /// <summary>Proportional set size in octets (shared pages divided among their users); 0 where the kernel does not tell.</summary>
    public static long ProportionalOctets(int pid) => Members(pid).Sum(member => OctetsFrom($"/proc/{member}/smaps_rollup", "Pss:"));

    /// <summary>Makes the present resident size the peak.</summary>
    public static void ResetPeak(int pid)
    {
        foreach (var member in Members(pid))
        {
            try
            {
                File.WriteAllText($"/proc/{member}/clear_refs", "5");
            }
            catch (IOException)
            {
                // A child that ended between listing and here has no peak to reset.
            }
        }
    }

    private static List<int> Members(int root)
    {
        var children = new Dictionary<int, List<int>>();
        foreach (var directory in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(directory), NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
                && StatFields(pid) is { } stat)
            {
                var parent = int.Parse(stat[1], CultureInfo.InvariantCulture);
                (children.TryGetValue(parent, out var siblings) ? siblings : children[parent] = []).Add(pid);
            }
        }

        var members = new List<int> { root };
        for (var i = 0; i < members.Count; i++)
        {
            members.AddRange(children.GetValueOrDefault(members[i], []));
        }

        return members;
    }

    /// <returns>The fields of /proc/PID/stat from the third on, or <see langword="null"/> when the process has ended.</returns>
    private static string[]? StatFields(int pid)
    {
        try
        {
            var text = File.ReadAllText($"/proc/{pid}/stat");
            return text[(text.LastIndexOf(')') + 2)..].Split(' '); // the command name may hold spaces and brackets
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static long StatusOctets(int pid, string name) => OctetsFrom($"/proc/{pid}/status", name);

    private static long OctetsFrom(string file, string name)
    {
        try
        {
            var line = File.ReadLines(file).FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal));
            return line is null ? 0 : 1024 * long.Parse(line[name.Length..].Replace("kB", "", StringComparison.Ordinal).Trim(), CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
