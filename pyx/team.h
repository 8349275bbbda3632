/* Whether threads can be had, and OpenMP's teams of them. */
#ifndef UPSHAPE_TEAM_H
#define UPSHAPE_TEAM_H

#include <stddef.h>
#include <stdlib.h>
#ifdef _OPENMP
#include <omp.h>
#endif
#if defined(_OPENMP) && (defined(__unix__) || defined(__APPLE__))
#include <pthread.h>
#define UPSHAPE_POSIX 1
#endif

#ifdef UPSHAPE_POSIX
static void *upshape_wait_for_lock(void *lock)
{
    pthread_mutex_lock((pthread_mutex_t *)lock);
    pthread_mutex_unlock((pthread_mutex_t *)lock);
    return NULL;
}
#endif

/* How many of `wanted` more threads with stacks of so many bytes (0: the system's default) can be
 * had at once: they are started, held together, and ended. */
static int upshape_can_start(int wanted, size_t stack)
{
#ifdef UPSHAPE_POSIX
    pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
    pthread_attr_t attributes;
    pthread_t *started;
    int count = 0, j;
    if (wanted <= 0)
        return 0;
    started = malloc((size_t)wanted * sizeof *started);
    if (started == NULL)
        return 0;
    if (pthread_attr_init(&attributes)) {
        free(started);
        return 0;
    }
    if (stack > 0)
        pthread_attr_setstacksize(&attributes, stack);
    pthread_mutex_lock(&held);
    while (count < wanted
           && pthread_create(&started[count], &attributes, upshape_wait_for_lock, &held) == 0)
        count++;
    pthread_mutex_unlock(&held);
    for (j = 0; j < count; j++)
        pthread_join(started[j], NULL);
    pthread_attr_destroy(&attributes);
    free(started);
    return count;
#else
    (void)stack;
    return wanted;
#endif
}

/* OpenMP keeps the threads of a team for each thread that calls it: how many, for this one. */
static _Thread_local int upshape_assembled = 1;

static int upshape_team_here(void)
{
    return upshape_assembled;
}

static void upshape_note_team(int threads)
{
    upshape_assembled = threads;
}

/* Have OpenMP start the threads of a team of this size: a loop that does nothing. */
static void upshape_start_team(int threads)
{
#ifdef _OPENMP
    int number = 0;
#pragma omp parallel num_threads(threads) reduction(+ : number)
    number += omp_get_thread_num();
    (void)number;
#else
    (void)threads;
#endif
}

#endif
