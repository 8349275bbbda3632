"""What the machine is, how many threads a call may use, and where large results live.

The one module that is compiled for any CPU of the architecture: it is imported to find out which
level's kernels can be. All of its state is guarded by the GIL.
"""

cimport cython
cimport numpy as cnp
from cpython.object cimport PyTypeObject
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int64_t, uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from upshape._machine cimport upshape_now

cnp.import_array()

cdef extern from "numpy/arrayobject.h":
    cnp.ndarray PyArray_NewFromDescr(
        PyTypeObject* subtype, cnp.dtype descr, int nd, const cnp.npy_intp* dims,
        const cnp.npy_intp* strides, void* data, int flags, void* obj)

cdef extern from "machine.h" nogil:
    const char* UPSHAPE_COMPILER
    const char* UPSHAPE_FLAGS
    const size_t UPSHAPE_HUGE_PAGE
    int upshape_x86_level()
    long upshape_last_level_cache()
    long upshape_second_level_cache()
    int upshape_openmp_version()
    int upshape_openmp_threads()
    void* upshape_map(size_t bytes)
    void upshape_unmap(void* start, size_t bytes)
    void upshape_trim()

cdef extern from "team.h" nogil:
    int upshape_can_start(int wanted, size_t stack)
    void upshape_start_team(int threads)
    int upshape_team_here()
    void upshape_note_team(int threads)


# --- the machine ---------------------------------------------------------------------------------

def x86_level():
    """Return the x86-64 level of this CPU: 2, 3 or 4; 1 if it is below v2, 0 if it is no x86-64."""
    return upshape_x86_level()


def last_level_cache():
    """Return the size of the last-level cache in bytes, 0 if unknown."""
    return upshape_last_level_cache()


def second_level_cache():
    """Return the size of a core's second-level cache in bytes, 0 if unknown."""
    return upshape_second_level_cache()


def build():
    """Return how the kernels were built: compiler, flags and OpenMP's date (0: none)."""
    return {
        "compiler": UPSHAPE_COMPILER.decode(),
        "flags": UPSHAPE_FLAGS.decode(),
        "openmp": upshape_openmp_version(),
    }


# --- threads -------------------------------------------------------------------------------------

# OpenMP's own limit, as it stood at import. Where it differs later, somebody (threadpoolctl) has
# changed it in this thread, and that wish goes before ours.
cdef int openmp_at_start = upshape_openmp_threads()
cdef int asked = 1
cdef bint forked = False

# No call is cut into more shares than this: many more threads than CPUs are no help to anyone.
cdef int most_shares = 1


def set_threads(int n):
    """Set how many threads a call may use."""
    global asked, startable
    asked = n
    startable = ANY


def set_most_shares(int n):
    """Bound the shares of a call, whatever number of threads is asked for."""
    global most_shares
    most_shares = n


def after_fork():
    """Note that this process is a fork's child, where GNU OpenMP's threads are gone for good."""
    global forked
    forked = True


cpdef int threads_asked():
    """Return how many threads a call may use: what was set, else OpenMP's own limit."""
    cdef int openmp
    if forked or upshape_openmp_version() == 0:
        return 1
    openmp = upshape_openmp_threads()
    return asked if openmp == openmp_at_start else openmp


cpdef int threads():
    """Return into how many shares a call may be cut."""
    return min(threads_asked(), most_shares)


# --- teams: how many threads run the shares of a call --------------------------------------------
#
# OpenMP's barrier waits for every thread of a team. Where other processes keep the CPUs busy, one
# of them may be off its CPU for milliseconds, and a call of 0.1 ms takes 20. So every parallel loop
# is timed. What it took longer than one thread would have needed is lost, the rest is gained; once
# more is lost than was gained lately, teams are halved for a while. The while is a multiple of the
# loss, so that the next try costs little, and grows as long as tries fail. Long calls end it
# sooner: once what whole teams would have gained meanwhile is as large a multiple.

cdef enum:
    ANY = 1 << 30

cdef int64_t MICROSECOND = 1000
cdef int64_t MILLISECOND = 1000000

# One thread would need the time of the first share, times the shares, times this: shares are not
# quite equal, and some processors have slow CPUs beside the fast ones.
cdef double UNEVEN = 1.5
# A loss that does not count: to wake a thread takes as much on an idle machine.
cdef int64_t WAKING = 200 * MICROSECOND
# What may be lost more than was gained: one interruption is no busy machine.
cdef int64_t CREDIT = 2 * MILLISECOND
# A pause lasts this many calls and this many times the loss. The next one lasts GROWTH times as
# long, up to MOST_CALLS; none lasts longer than LONGEST, however few calls there are.
cdef int64_t FIRST_CALLS = 32
cdef int64_t FIRST_TIMES = 8
cdef int64_t GROWTH = 8
cdef int64_t MOST_CALLS = 1024
cdef int64_t LONGEST = 10000 * MILLISECOND
# So long without a pause, and the next one is a first one again.
cdef int64_t FORGIVEN = 1000 * MILLISECOND

cdef bint adaptive = True
cdef int allowed = ANY                  # threads of a team
cdef bint probing = False               # one whole team is out to see whether the pause can end
cdef int64_t credit = CREDIT
cdef int64_t paused_at, resumed_at = 0
cdef int64_t pause_calls, pause_time    # what is left of the calls; how long it lasts
cdef int64_t pause_gain                 # what is left of the gain that ends it
cdef int64_t next_calls = FIRST_CALLS, next_times = FIRST_TIMES
cdef int64_t teams = 0, pauses = 0

# How many threads the system lets a team have, and when it last refused one.
cdef int startable = ANY
cdef int64_t refused_at = 0
cdef size_t stack_bytes = 0


def set_adaptive(bint on):
    """Set whether teams are halved where threads are late, and begin with whole ones."""
    global adaptive, allowed, probing, credit, next_calls, next_times
    adaptive = on
    allowed = ANY
    probing = False
    credit = CREDIT
    next_calls, next_times = FIRST_CALLS, FIRST_TIMES


def set_stack(size_t bytes):
    """Note how large the stacks of OpenMP's threads are; 0: the system's default."""
    global stack_bytes
    stack_bytes = bytes


def team_info():
    """Return how many teams there were, how often they were halved, and what bounds them now."""
    return {
        "adaptive": bool(adaptive), "teams": teams, "pauses": pauses,
        "allowed": allowed if allowed != ANY else None,
        "startable": startable if startable != ANY else None,
    }


cdef void form_team(Team* team, int shares) noexcept:
    """Say how many threads run so many shares."""
    global teams, startable
    cdef int n
    if shares <= 1 or forked:
        team.shares = shares
        team.threads = 1
        team.probe = False
        team.began = 0
        return
    decide(team, shares, upshape_now() if shares > allowed else 0)
    if team.threads > startable and upshape_now() - refused_at > LONGEST:
        startable = ANY
    n = min(team.threads, startable)
    if n > 1:
        teams += 1
        if n != upshape_team_here():
            n = assemble(n)
    team.threads = n


cdef void decide(Team* team, int shares, int64_t now) noexcept:
    """Choose as many threads as shares, or fewer during a pause; or see whether it can end."""
    global probing, pause_calls
    team.shares = team.threads = shares
    team.probe = False
    team.began = now
    if shares <= allowed:
        return
    pause_calls -= 1
    if probing or (pause_gain > 0
                   and now - paused_at < (LONGEST if pause_calls >= 0 else pause_time)):
        team.threads = allowed
    else:
        probing = team.probe = True


cdef int assemble(int n) noexcept:
    """Change the number of threads that OpenMP keeps for this one to n, or as near as can be had.

    OpenMP ends the process when it cannot start a thread. So they are started here first, and at
    once again by OpenMP, with the GIL held: no other call of ours can take their place between.
    """
    global startable, refused_at
    cdef int here = upshape_team_here()
    cdef int more = upshape_can_start(n - here, stack_bytes)
    if more < n - here:
        # Half of what is left: the call itself wants memory, too.
        n = here + more // 2
        startable = n
        refused_at = upshape_now()
    if n > here:
        upshape_start_team(n)
    upshape_note_team(n)
    return n


cdef void dismiss_team(Team* team) noexcept:
    """Note when one thread ended, which reads no clock, and learn from the time that all took."""
    if team.threads == 1 and team.shares > allowed:
        team.ended = upshape_now()
    learn(team)


cdef void learn(Team* team) noexcept:
    """Learn from the time that the shares took."""
    global allowed, probing, credit, resumed_at, next_calls, next_times, pause_gain
    cdef int64_t gain
    if team.probe:
        probing = False
    elif team.shares > allowed and team.threads <= allowed and team.began > 0:
        pause_gain -= (team.ended - team.began) * (team.shares - team.threads) // team.shares
    if team.threads <= 1 or not adaptive or team.share_ended == 0:
        return
    if team.threads > allowed and not team.probe:
        return  # it set out before the pause began
    gain = <int64_t>(UNEVEN * team.shares * (team.share_ended - team.share_began))
    gain -= team.ended - team.began
    if -WAKING < gain < 0:
        gain = 0
    if team.probe and gain >= 0:
        allowed = ANY
        credit = 0
        resumed_at = team.ended
        return
    credit = min(credit + gain, CREDIT)
    if credit < 0 or team.probe:
        pause(team, -gain)
    elif allowed == ANY and team.ended - resumed_at > FORGIVEN:
        next_calls, next_times = FIRST_CALLS, FIRST_TIMES


def rehearse(int shares, int64_t now, int64_t share, int64_t took, meanwhile=None):
    """Take a loop that was not run through the same decisions; return how many threads it got.

    The clock stands at `now` when it begins; its first share takes `share`, all of it `took` where
    it gets a thread a share, and as long as one thread needs otherwise (nanoseconds). Before it
    ends, `meanwhile` is called.
    """
    cdef Team team
    decide(&team, shares, now)
    if meanwhile is not None:
        meanwhile()
    team.began = team.share_began = now
    team.share_ended = now + share
    team.ended = now + (took if team.threads == shares else share * shares)
    learn(&team)
    return team.threads


cdef void pause(const Team* team, int64_t lost) noexcept:
    """Halve the teams for a while."""
    global allowed, credit, paused_at, pause_calls, pause_time, pause_gain
    global next_calls, next_times, pauses
    if not team.probe:
        allowed = (team.threads + 1) // 2
    credit = 0
    pauses += 1
    paused_at = team.ended
    pause_calls = next_calls
    pause_time = pause_gain = min(next_times * lost, LONGEST)
    if next_calls < MOST_CALLS:
        next_calls = min(next_calls * GROWTH, MOST_CALLS)
        next_times *= GROWTH


# --- memory --------------------------------------------------------------------------------------

# Results from this many bytes on live in recycled blocks: below, NumPy's allocator keeps its pages
# itself, and first touch costs little.
cdef size_t RECYCLED_FROM = 1 << 20

# The store is a short list, oldest first: a block is found by its exact size class.
cdef enum:
    MOST_BLOCKS = 64

cdef struct Kept:
    void* start
    size_t bytes

cdef Kept[MOST_BLOCKS] store
cdef int blocks = 0
cdef size_t kept_bytes = 0
cdef size_t limit_bytes = 0
cdef size_t reused = 0
cdef size_t mapped = 0


cdef size_t size_class(size_t bytes) noexcept:
    """Round up to whole huge pages, with three leading bits: at most 1/8 is wasted."""
    cdef size_t pages = (bytes + UPSHAPE_HUGE_PAGE - 1) // UPSHAPE_HUGE_PAGE
    cdef size_t step = 1
    while pages > 8 * step:
        step *= 2
    return (pages + step - 1) // step * step * UPSHAPE_HUGE_PAGE


cdef void forget(int index) noexcept:
    """Give the block at this place of the store back to the system."""
    global blocks, kept_bytes
    cdef int j
    upshape_unmap(store[index].start, store[index].bytes)
    kept_bytes -= store[index].bytes
    blocks -= 1
    for j in range(index, blocks):
        store[j] = store[j + 1]


cdef void shrink(size_t limit) noexcept:
    while kept_bytes > limit:
        forget(0)


cdef void* take(size_t bytes) noexcept:
    """Return a block of this size class, the latest used first: it may still be in a cache."""
    global blocks, kept_bytes, reused, mapped
    cdef int i, j
    cdef void* start
    for i in range(blocks - 1, -1, -1):
        if store[i].bytes == bytes:
            start = store[i].start
            kept_bytes -= bytes
            blocks -= 1
            for j in range(i, blocks):
                store[j] = store[j + 1]
            reused += 1
            return start
    mapped += 1
    start = upshape_map(bytes)
    if start == NULL and blocks > 0:
        shrink(0)
        start = upshape_map(bytes)
    return start


cdef void give(void* start, size_t bytes) noexcept:
    """Keep a block for the next result of its size; the oldest go when the store is full."""
    global blocks, kept_bytes
    if bytes > limit_bytes:
        upshape_unmap(start, bytes)
        return
    shrink(limit_bytes - bytes)
    if blocks == MOST_BLOCKS:
        forget(0)
    store[blocks].start = start
    store[blocks].bytes = bytes
    blocks += 1
    kept_bytes += bytes


@cython.final
@cython.freelist(16)
cdef class Block:
    """The memory of one result: its array's base, so it comes back when the last view dies."""
    cdef void* start
    cdef size_t bytes

    def __dealloc__(self):
        if self.start != NULL:
            give(self.start, self.bytes)


def set_limit(size_t bytes):
    """Bound what the store keeps, in bytes."""
    global limit_bytes
    limit_bytes = bytes
    shrink(bytes)


def clear():
    """Give every kept block back to the system, and what the C library keeps of freed memory."""
    shrink(0)
    upshape_trim()


def store_info():
    """Return the store's figures: bytes kept, blocks, limit, and how often it was of use."""
    return {
        "kept_bytes": kept_bytes, "blocks": blocks, "limit_bytes": limit_bytes,
        "reused": reused, "mapped": mapped,
    }


cpdef cnp.ndarray empty(tuple shape, cnp.dtype dtype):
    """Return an uninitialised C-contiguous array, in recycled memory from 1 MiB on.

    Raises MemoryError where no memory holds it. The caller has checked that no size is negative.
    """
    cdef cnp.npy_intp[64] dims
    cdef size_t item = cnp.PyDataType_ELSIZE(dtype)
    cdef size_t bytes = item
    cdef size_t most = (<size_t>-1) >> 1
    cdef int rank = len(shape)
    cdef int i
    cdef bint too_large = False
    cdef bint nothing = False
    cdef Block block
    cdef cnp.ndarray array
    for i in range(rank):
        if shape[i] > most:
            too_large = True
            break
        dims[i] = shape[i]
        if dims[i] == 0:
            nothing = True
        elif bytes > most // <size_t>dims[i]:
            too_large = True
        else:
            bytes *= dims[i]
    if too_large:
        raise MemoryError(f"no memory holds a result of shape {shape} and dtype {dtype}")
    Py_INCREF(dtype)  # NewFromDescr steals one
    if nothing or bytes < RECYCLED_FROM:
        return PyArray_NewFromDescr(<PyTypeObject*>cnp.ndarray, dtype, rank, dims, NULL, NULL, 0,
                                    NULL)
    block = Block.__new__(Block)
    block.bytes = size_class(bytes)
    block.start = take(block.bytes)
    if block.start == NULL:
        raise MemoryError(f"cannot allocate {bytes} bytes for a result of shape {shape} "
                          f"and dtype {dtype}")
    array = PyArray_NewFromDescr(<PyTypeObject*>cnp.ndarray, dtype, rank, dims, NULL, block.start,
                                 cnp.NPY_ARRAY_CARRAY, NULL)
    cnp.set_array_base(array, block)
    return array


# --- working memory of the kernels ---------------------------------------------------------------

@cython.final
cdef class Scratch:
    """Memory for one call's threads, kept for the next."""

    def __dealloc__(self):
        free(self.start)


cdef enum:
    MOST_SPARES = 4
    PAGE_BYTES = 4096

# As long as it ever gets: keeping a scratch when the result is written must not ask for memory.
cdef list spare_scratch = [None] * MOST_SPARES
cdef int spares = 0


cdef Scratch take_scratch(size_t bytes):
    """Return scratch of at least so many bytes that nobody else uses."""
    global spares
    cdef Scratch scratch
    if spares > 0:
        spares -= 1
        scratch = spare_scratch[spares]
        spare_scratch[spares] = None
        if scratch.bytes >= bytes:
            return scratch
    scratch = Scratch.__new__(Scratch)
    scratch.start = malloc(bytes + PAGE_BYTES)
    if scratch.start == NULL:
        raise MemoryError(f"cannot allocate {bytes} bytes of working memory")
    scratch.aligned = <char*>(
        (<uintptr_t>scratch.start + PAGE_BYTES - 1) & ~<uintptr_t>(PAGE_BYTES - 1))
    scratch.bytes = bytes
    # Tiles read a little past the pixels. What they find changes no result, but must be no
    # denormal number: some processors are slow with those.
    memset(scratch.aligned, 0, bytes)
    return scratch


cdef void give_scratch(Scratch scratch) noexcept:
    global spares
    if spares < MOST_SPARES:
        spare_scratch[spares] = scratch
        spares += 1


def forget_scratch():
    """Free the scratch that is kept between calls."""
    global spares
    while spares > 0:
        spares -= 1
        spare_scratch[spares] = None


# --- calls that are known -------------------------------------------------------------------------

@cython.final
cdef class Repeat:
    """A layer's latest call, to be repeated without asking anything twice."""
    cdef object plan
    cdef cnp.ndarray packed
    cdef object output_size, view
    cdef tuple memory
    cdef cnp.dtype dtype
    cdef int wanted, rank, kind
    cdef Py_ssize_t[8] shape
    cdef Py_ssize_t[8] strides

    def __init__(self, plan, cnp.ndarray packed, cnp.ndarray x, output_size, tuple memory, view):
        """Note the input's shape, and how to make the result.

        That is empty(memory, x.dtype), its axes permuted by `view` unless that is None.
        """
        cdef int axis
        self.plan, self.packed, self.output_size = plan, packed, output_size
        self.memory, self.view, self.dtype, self.wanted = memory, view, x.dtype, threads()
        self.rank, self.kind = cnp.PyArray_NDIM(x), cnp.PyArray_TYPE(x)
        for axis in range(self.rank):
            self.shape[axis], self.strides[axis] = x.shape[axis], x.strides[axis]

    def call(self, x, output_size):
        """Return the result if this input is like the latest, else None."""
        cdef cnp.ndarray array, result
        cdef int axis
        if type(x) is not cnp.ndarray:
            return None
        array = x
        if (cnp.PyArray_NDIM(array) != self.rank or cnp.PyArray_TYPE(array) != self.kind
                or not cnp.PyArray_ISBEHAVED_RO(array)):
            return None
        for axis in range(self.rank):
            if (cnp.PyArray_DIM(array, axis) != self.shape[axis]
                    or cnp.PyArray_STRIDE(array, axis) != self.strides[axis]):
                return None
        if output_size is not self.output_size and (
                type(output_size) is not int or output_size != self.output_size):
            return None
        if threads() != self.wanted:
            return None
        result = empty(self.memory, self.dtype)
        if self.view is not None:
            result = result.transpose(self.view)
        self.plan.run(array, self.packed, result)
        return result
